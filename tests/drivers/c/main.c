/*
 * One thread reads the requests; each request names the thread that is to do it, which is made when
 * its name comes up for the first time. Thread "-" is the reading one itself.
 */
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct worker {
  struct worker *next;
  char *name;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  struct request *first;
  struct request **last;
};

static int output;
static pthread_mutex_t output_lock;

static void perform(const struct request *request, struct answer *answer) {
  const struct verb_entry *const parts[] = {control_verbs, message_verbs, segment_verbs,
                                            storm_verbs, name_verbs};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; ++i) {
    for (const struct verb_entry *entry = parts[i]; entry->name != NULL; ++entry) {
      if (strcmp(entry->name, request->verb) == 0) {
        entry->perform(request, answer);
        return;
      }
    }
  }
  die("no verb %s", request->verb);
}

static void respond(struct request *request) {
  struct answer answer = {.status = "ok"};
  perform(request, &answer);
  pthread_mutex_lock(&output_lock);
  if (!answer_write(&answer, request->tag, output)) _exit(1);
  pthread_mutex_unlock(&output_lock);
  request_free(request);
}

static _Noreturn void *work(void *argument) {
  struct worker *me = argument;
  for (;;) {
    pthread_mutex_lock(&me->lock);
    while (me->first == NULL) pthread_cond_wait(&me->wake, &me->lock);
    struct request *request = me->first;
    me->first = request->next;
    if (me->first == NULL) me->last = &me->first;
    pthread_mutex_unlock(&me->lock);
    respond(request);
  }
}

static struct worker *worker_start(const char *name) {
  struct worker *worker = calloc(1, sizeof *worker);
  if (worker == NULL) die("no memory");
  worker->name = strdup(name);
  worker->last = &worker->first;
  pthread_mutex_init(&worker->lock, NULL);
  pthread_cond_init(&worker->wake, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, work, worker) != 0) die("no thread");
  pthread_detach(thread);
  return worker;
}

static void hand_over(struct worker *worker, struct request *request) {
  pthread_mutex_lock(&worker->lock);
  *worker->last = request;
  worker->last = &request->next;
  pthread_cond_signal(&worker->wake);
  pthread_mutex_unlock(&worker->lock);
}

void serve(int from, int to) {
  /* Set up anew, because a child may have got them in any state. */
  input_forget();
  output = to;
  pthread_mutex_init(&output_lock, NULL);
  struct worker *workers = NULL;
  struct request *request;
  while ((request = request_read(from)) != NULL) {
    if (strcmp(request->thread, "-") == 0) {
      respond(request);
      continue;
    }
    struct worker *worker = workers;
    while (worker != NULL && strcmp(worker->name, request->thread) != 0) worker = worker->next;
    if (worker == NULL) {
      worker = worker_start(request->thread);
      worker->next = workers;
      workers = worker;
    }
    hand_over(worker, request);
  }
  exit(0);
}

int main(void) {
  serve(STDIN_FILENO, STDOUT_FILENO);
}
