/* What the C tests share: checks that say where they failed and what the library said, and a main
 * that runs tests one after the other. Each test uses names of its own; the domain is the
 * program's own (MAILBOAT_DOMAIN is set by whoever runs it). */
#ifndef HARNESS_H
#define HARNESS_H

#include <mailboat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                         \
  do {                                                                                           \
    if (!(condition)) harness_fail(__FILE__, __LINE__, #condition, "");                          \
  } while (0)

/* The call must return this status; a failure must have its sentence. */
#define EXPECT(status, call) harness_expect(__FILE__, __LINE__, #call, (status), (call))

/* The call must succeed. */
#define OK(call) EXPECT(MB_OK, call)

/* The call must be refused as an invalid argument, with a sentence that contains the word. */
#define INVALID(word, call)                                                                      \
  do {                                                                                           \
    EXPECT(MB_INVALID, call);                                                                    \
    harness_says(__FILE__, __LINE__, #call, (word));                                             \
  } while (0)

/* The last error must contain the word. */
#define SAYS(word) harness_says(__FILE__, __LINE__, "mb_last_error()", (word))

#define RUN(test)                                                                                \
  do {                                                                                           \
    harness_test = #test;                                                                        \
    test();                                                                                      \
    printf("ok %s\n", #test);                                                                    \
    fflush(stdout);                                                                              \
  } while (0)

/* An address that no object of the library has: not NULL, but misaligned. It must be refused
 * before it is followed. */
#define MISALIGNED(type) ((type)(uintptr_t)1)

#define MILLISECOND 1000000
#define SECOND 1000000000LL

static const char *harness_test = "?";

static inline void harness_fail(const char *file, int line, const char *what, const char *more) {
  fprintf(stderr, "%s:%d: in %s: %s%s\n  the library's last error: %s\n", file, line, harness_test,
          what, more, mb_last_error());
  exit(1);
}

static inline void harness_expect(const char *file, int line, const char *call, mb_status expected,
                                  mb_status found) {
  char more[200];
  if (found == expected && (found == MB_OK || mb_last_error()[0] != '\0')) return;
  snprintf(more, sizeof more, "\n  gave %d (%s), expected %d (%s)", (int)found,
           mb_status_text(found), (int)expected, mb_status_text(expected));
  harness_fail(file, line, call, more);
}

static inline void harness_says(const char *file, int line, const char *call, const char *word) {
  char more[200];
  if (strstr(mb_last_error(), word) != NULL) return;
  snprintf(more, sizeof more, "\n  the sentence has no \"%s\"", word);
  harness_fail(file, line, call, more);
}

/* Makes a port that takes so many messages. */
static inline mb_port *make_port(const char *name, uint32_t capacity) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *port = NULL;
  options.capacity = capacity;
  OK(mb_port_create(name, &options, &port));
  CHECK(port != NULL);
  return port;
}

static inline void end_port(mb_port *port, const char *name) {
  OK(mb_port_close(port));
  OK(mb_port_delete(name));
}

/* The next message must be this text. */
#define RECEIVES(port, text)                                                                     \
  do {                                                                                           \
    char harness_buffer[1000];                                                                   \
    size_t harness_length = 0;                                                                   \
    OK(mb_port_receive((port), harness_buffer, sizeof harness_buffer, &harness_length, 0));      \
    CHECK(harness_length == strlen(text));                                                       \
    CHECK(memcmp(harness_buffer, (text), harness_length) == 0);                                  \
  } while (0)

#define SENDS(port, text) OK(mb_port_send((port), (text), strlen(text), MB_FOREVER))

#endif
