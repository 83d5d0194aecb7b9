/*
 * The C driver: does what the line protocol asks (../README.md), through mailboat.h.
 *
 * A mistake in the test, such as a name that was never given, ends the driver with a word about it.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <mailboat.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- wire.c: requests and answers ---- */

struct bytes {
  unsigned char *data;
  size_t length;
};

struct word {
  char *key;
  char *value;
};

struct request {
  struct request *next; /* in the inbox of its thread */
  char *tag;
  char *thread;
  char *verb;
  struct word *words;
  size_t word_count;
  struct bytes *bodies;
  size_t body_count;
};

struct answer {
  const char *status;
  struct bytes out;  /* lines that are finished, with their bytes */
  struct bytes line; /* the words of the present one */
  struct bytes tail; /* the bytes that follow it */
  bool in_item;
};

/** Ends the driver. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Forgets what was read and not used, as a child must. */
void input_forget(void);
/** The next request, NULL at the end. The caller frees it. */
struct request *request_read(int from);
void request_free(struct request *request);

/** A word, NULL if it was not given. */
const char *get(const struct request *request, const char *key);
const char *need(const struct request *request, const char *key);
/** A number, `otherwise` if it was not given. */
uint64_t number(const struct request *request, const char *key, uint64_t otherwise);
uint64_t need_number(const struct request *request, const char *key);
/** The one body. */
struct bytes need_body(const struct request *request);
/** `wait` as mailboat.h wants it. */
int64_t wait_of(const struct request *request);

void say(struct answer *answer, const char *key, const char *value);
void say_number(struct answer *answer, const char *key, uint64_t value);
/** The bytes of the answer, or of the present item, after its words. */
void say_body(struct answer *answer, const void *data, size_t length);
void begin_item(struct answer *answer);
/** Whether it went well; if not, the answer is how. */
bool went_well(struct answer *answer, mb_status status);
/** The same for functions of the operating system, which say so in errno. */
void failed_system(struct answer *answer);
/** Writes the whole answer in one piece, and frees what is in it. False if nobody listens. */
bool answer_write(struct answer *answer, const char *tag, int to);

/* ---- table.c: what is open ---- */

enum kind { HANDLE, LOAN, RECEIPT, SEGMENT };

/** Keeps something; what had the name before is ended. */
void keep(enum kind kind, const char *name, void *thing);
/** What has the name; it stays in the table. */
void *find(enum kind kind, const char *name);
/** The same, and it leaves the table. */
void *take_out(enum kind kind, const char *name);
/** Ends everything in the table. */
void end_all(void);
/** Held over a fork. */
void table_lock(void);
void table_unlock(void);

/** Where ports and segments are made and opened; NULL: the default domain. */
extern mb_domain *domain;

/* ---- the verbs ---- */

typedef void verb(const struct request *request, struct answer *answer);

struct verb_entry {
  const char *name;
  verb *perform;
};

/* Each ends with a NULL name. */
extern const struct verb_entry control_verbs[], message_verbs[], segment_verbs[], storm_verbs[],
    name_verbs[];

/** The options of ports and queues. */
mb_port_options port_options(const struct request *request);

/** Answers requests until there are no more, then ends the process with all handles open. */
_Noreturn void serve(int from, int to);

/** Makes storms end. */
void storm_stop(bool stop);
bool storm_stopped(void);
/** One of the first `n` numbers, which look random; see Knuth's MMIX. */
uint64_t dice(uint64_t *state, uint64_t n);

#endif
