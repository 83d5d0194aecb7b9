/* What the driver has open, by the names that the test gave. */
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
  struct entry *next;
  enum kind kind;
  char *name;
  void *thing;
};

static struct entry *entries;
/* Never held while something waits. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

mb_domain *domain;

void table_lock(void) {
  pthread_mutex_lock(&lock);
}

void table_unlock(void) {
  pthread_mutex_unlock(&lock);
}

static void end(enum kind kind, void *thing) {
  switch (kind) {
    case HANDLE: mb_port_close(thing); break;
    case LOAN: mb_loan_discard(thing); break;
    case RECEIPT: mb_receipt_nack(thing); break;
    case SEGMENT: mb_segment_close(thing); break;
  }
}

/* Where the entry is, or would be. */
static struct entry **place(enum kind kind, const char *name) {
  struct entry **at = &entries;
  while (*at != NULL && ((*at)->kind != kind || strcmp((*at)->name, name) != 0)) at = &(*at)->next;
  return at;
}

void keep(enum kind kind, const char *name, void *thing) {
  void *before = NULL;
  table_lock();
  struct entry **at = place(kind, name);
  if (*at == NULL) {
    *at = calloc(1, sizeof **at);
    if (*at == NULL) die("no memory");
    (*at)->kind = kind;
    (*at)->name = strdup(name);
  } else {
    before = (*at)->thing;
  }
  (*at)->thing = thing;
  table_unlock();
  if (before != NULL) end(kind, before);
}

void *find(enum kind kind, const char *name) {
  table_lock();
  struct entry *entry = *place(kind, name);
  if (entry == NULL) die("there is no %s", name);
  void *thing = entry->thing;
  table_unlock();
  return thing;
}

void *take_out(enum kind kind, const char *name) {
  table_lock();
  struct entry **at = place(kind, name);
  struct entry *entry = *at;
  if (entry == NULL) die("there is no %s", name);
  *at = entry->next;
  table_unlock();
  void *thing = entry->thing;
  free(entry->name);
  free(entry);
  return thing;
}

void end_all(void) {
  table_lock();
  struct entry *rest = entries;
  entries = NULL;
  table_unlock();
  while (rest != NULL) {
    struct entry *next = rest->next;
    end(rest->kind, rest->thing);
    free(rest->name);
    free(rest);
    rest = next;
  }
  if (domain != NULL) mb_domain_close(domain);
  domain = NULL;
}
