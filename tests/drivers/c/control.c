/* The process itself: domains, threads, forks, the end. */
#include "driver.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void hello(const struct request *request, struct answer *answer) {
  (void)request;
  say(answer, "language", "c");
  say_number(answer, "pid", (uint64_t)getpid());
  say(answer, "version", mb_version());
}

static void thread(const struct request *request, struct answer *answer) {
  (void)request;
  say_number(answer, "tid", (uint64_t)syscall(SYS_gettid));
}

static void environment(const struct request *request, struct answer *answer) {
  const char *name = need(request, "name");
  const char *value = get(request, "value");
  if ((value == NULL ? unsetenv(name) : setenv(name, value, 1)) != 0) failed_system(answer);
}

static void become(const struct request *request, struct answer *answer) {
  const gid_t gid = (gid_t)need_number(request, "gid");
  const uid_t uid = (uid_t)need_number(request, "uid");
  if (setgroups(0, NULL) != 0 || setgid(gid) != 0 || setuid(uid) != 0) failed_system(answer);
}

static void domain_open(const struct request *request, struct answer *answer) {
  mb_domain *opened = NULL;
  const char *location = get(request, "location");
  if (location != NULL) {
    mb_domain_options options = MB_DOMAIN_OPTIONS_INIT;
    options.location = location;
    options.gid = (uint32_t)number(request, "gid", 0);
    options.mode = (uint32_t)number(request, "mode", 0);
    options.max_tasks = (uint32_t)number(request, "max_tasks", 0);
    if (get(request, "gid") != NULL) options.flags |= MB_DOMAIN_SHARED;
    const bool plain = options.flags == 0 && options.max_tasks == 0;
    if (!went_well(answer, plain ? mb_domain_open(location, &opened)
                                 : mb_domain_open_with(&options, &opened))) {
      return;
    }
    say(answer, "path", mb_domain_path(opened));
  }
  if (domain != NULL) mb_domain_close(domain);
  domain = opened;
}

/* The domain at hand, with a handle to be closed. */
static mb_domain *this_domain(struct answer *answer) {
  mb_domain *opened = NULL;
  went_well(answer, mb_domain_open(domain == NULL ? NULL : mb_domain_path(domain), &opened));
  return opened;
}

static void domain_stat(const struct request *request, struct answer *answer) {
  (void)request;
  mb_domain *here = this_domain(answer);
  if (here == NULL) return;
  mb_domain_stats stats = MB_DOMAIN_STATS_INIT;
  if (went_well(answer, mb_domain_stat(here, &stats))) {
    say_number(answer, "tasks", stats.tasks);
    say_number(answer, "max_tasks", stats.max_tasks);
    say_number(answer, "deaths", stats.deaths);
    say_number(answer, "space_total", stats.space_total);
    say_number(answer, "shared", (stats.flags & MB_DOMAIN_SHARED) != 0);
  }
  mb_domain_close(here);
}

static void domain_list(const struct request *request, struct answer *answer) {
  (void)request;
  mb_domain *here = this_domain(answer);
  if (here == NULL) return;
  mb_entries *entries;
  if (went_well(answer, mb_domain_list(here, &entries))) {
    say_number(answer, "items", mb_entries_count(entries));
    for (size_t i = 0; i < mb_entries_count(entries); ++i) {
      const mb_entry *entry = mb_entries_at(entries, i);
      begin_item(answer);
      say(answer, "kind", entry->kind == MB_KIND_PORT ? "port" : "segment");
      say(answer, "name", entry->name);
      say_number(answer, "bytes", entry->bytes);
      say_number(answer, "uid", entry->uid);
      say_number(answer, "mode", entry->mode);
    }
    mb_entries_free(entries);
  }
  mb_domain_close(here);
}

static void domain_tasks(const struct request *request, struct answer *answer) {
  (void)request;
  mb_domain *here = this_domain(answer);
  if (here == NULL) return;
  mb_tasks *tasks;
  if (went_well(answer, mb_domain_tasks(here, &tasks))) {
    say_number(answer, "items", mb_tasks_count(tasks));
    for (size_t i = 0; i < mb_tasks_count(tasks); ++i) {
      const mb_task *task = mb_tasks_at(tasks, i);
      begin_item(answer);
      say_number(answer, "id", task->id);
      say_number(answer, "pid", task->pid);
      say_number(answer, "alive", task->alive);
    }
    mb_tasks_free(tasks);
  }
  mb_domain_close(here);
}

static void task(const struct request *request, struct answer *answer) {
  (void)request;
  mb_domain *here = this_domain(answer);
  if (here == NULL) return;
  uint64_t id;
  if (went_well(answer, mb_domain_task(here, &id))) say_number(answer, "task", id);
  mb_domain_close(here);
}

static void reset(const struct request *request, struct answer *answer) {
  (void)request;
  (void)answer;
  storm_stop(false);
  end_all();
}

static void stop(const struct request *request, struct answer *answer) {
  (void)request;
  (void)answer;
  storm_stop(true);
}

static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) die("%s is too long for a socket", path);
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    die("cannot connect to %s", path);
  }
  return fd;
}

static void fork_here(const struct request *request, struct answer *answer) {
  const char *path = need(request, "socket");
  /* Held over the fork, so that the child does not find it held by a thread that it does not have. */
  table_lock();
  pid_t pid = fork();
  table_unlock();
  if (pid == 0) {
    int fd = connect_to(path);
    serve(fd, fd);
  }
  if (pid < 0) {
    failed_system(answer);
  } else {
    say_number(answer, "pid", (uint64_t)pid);
  }
}

static void wait_child(const struct request *request, struct answer *answer) {
  int status;
  if (waitpid((pid_t)need_number(request, "pid"), &status, 0) < 0) {
    failed_system(answer);
  } else {
    say_number(answer, "status", (uint64_t)status);
  }
}

static void end_now(const struct request *request, struct answer *answer) {
  (void)request;
  (void)answer;
  exit(0);
}

const struct verb_entry control_verbs[] = {
    {"hello", hello},
    {"thread", thread},
    {"environment", environment},
    {"become", become},
    {"domain", domain_open},
    {"domain_stat", domain_stat},
    {"domain_list", domain_list},
    {"domain_tasks", domain_tasks},
    {"task", task},
    {"reset", reset},
    {"stop", stop},
    {"fork", fork_here},
    {"wait_child", wait_child},
    {"exit", end_now},
    {NULL, NULL},
};
