/* The line protocol. */
#include "driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("driver-c: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(70);
}

static void *must(void *memory) {
  if (memory == NULL) die("no memory");
  return memory;
}

static void append(struct bytes *to, const void *data, size_t length) {
  if (length == 0) return;
  /* Doubling, by letting the size be a power of two. */
  size_t room = 64;
  while (room < to->length + length) room *= 2;
  if (to->data == NULL || room > to->length) to->data = must(realloc(to->data, room));
  memcpy(to->data + to->length, data, length);
  to->length += length;
}

static void append_text(struct bytes *to, const char *text) {
  append(to, text, strlen(text));
}

/* ---- requests ---- */

/* What was read from standard input, or the socket of a child, and not yet used. */
static struct {
  unsigned char data[1 << 16];
  size_t begin, end;
} input;

void input_forget(void) {
  input.begin = input.end = 0;
}

static bool refill(int from) {
  ssize_t n;
  do {
    n = read(from, input.data, sizeof input.data);
  } while (n < 0 && errno == EINTR);
  input.begin = 0;
  input.end = n > 0 ? (size_t)n : 0;
  return n > 0;
}

static void read_exactly(int from, unsigned char *to, size_t length) {
  while (length > 0) {
    if (input.begin == input.end && !refill(from)) die("a request was cut short");
    size_t n = input.end - input.begin;
    if (n > length) n = length;
    memcpy(to, input.data + input.begin, n);
    input.begin += n;
    to += n;
    length -= n;
  }
}

static char *read_line(int from) {
  struct bytes line = {NULL, 0};
  for (;;) {
    if (input.begin == input.end && !refill(from)) {
      free(line.data);
      return NULL;
    }
    unsigned char c = input.data[input.begin++];
    if (c == '\n') c = 0;
    append(&line, &c, 1);
    if (c == 0) return (char *)line.data;
  }
}

static int digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from != 0; ++from) {
    if (*from == '%' && from[1] != 0 && from[2] != 0) {
      *to++ = (char)(digit(from[1]) << 4 | digit(from[2]));
      from += 2;
    } else {
      *to++ = *from;
    }
  }
  *to = 0;
}

static char *copy_of(const char *text) {
  return must(strdup(text));
}

static void read_bodies(struct request *request, char *lengths, int from) {
  char *rest = NULL;
  for (char *one = strtok_r(lengths, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
    size_t length = strtoull(one, NULL, 10);
    struct bytes body = {must(malloc(length > 0 ? length : 1)), length};
    read_exactly(from, body.data, length);
    request->bodies =
        must(realloc(request->bodies, (request->body_count + 1) * sizeof *request->bodies));
    request->bodies[request->body_count++] = body;
  }
}

struct request *request_read(int from) {
  char *line = read_line(from);
  if (line == NULL) return NULL;
  struct request *request = must(calloc(1, sizeof *request));
  char *rest = NULL;
  const char *tag = strtok_r(line, " ", &rest);
  const char *thread = strtok_r(NULL, " ", &rest);
  const char *verb = strtok_r(NULL, " ", &rest);
  if (verb == NULL) die("not a request");
  request->tag = copy_of(tag);
  request->thread = copy_of(thread);
  request->verb = copy_of(verb);
  for (char *part = strtok_r(NULL, " ", &rest); part; part = strtok_r(NULL, " ", &rest)) {
    char *value = strchr(part, '=');
    if (value == NULL) die("%s is no word of a request", part);
    *value++ = 0;
    if (strcmp(part, "body") == 0) {
      read_bodies(request, value, from);
      continue;
    }
    unescape(value);
    request->words =
        must(realloc(request->words, (request->word_count + 1) * sizeof *request->words));
    request->words[request->word_count++] = (struct word){copy_of(part), copy_of(value)};
  }
  free(line);
  return request;
}

void request_free(struct request *request) {
  for (size_t i = 0; i < request->word_count; ++i) {
    free(request->words[i].key);
    free(request->words[i].value);
  }
  for (size_t i = 0; i < request->body_count; ++i) free(request->bodies[i].data);
  free(request->words);
  free(request->bodies);
  free(request->tag);
  free(request->thread);
  free(request->verb);
  free(request);
}

const char *get(const struct request *request, const char *key) {
  for (size_t i = 0; i < request->word_count; ++i) {
    if (strcmp(request->words[i].key, key) == 0) return request->words[i].value;
  }
  return NULL;
}

const char *need(const struct request *request, const char *key) {
  const char *value = get(request, key);
  if (value == NULL) die("%s needs %s=", request->verb, key);
  return value;
}

uint64_t number(const struct request *request, const char *key, uint64_t otherwise) {
  const char *value = get(request, key);
  if (value == NULL) return otherwise;
  char *end;
  errno = 0;
  uint64_t n = strtoull(value, &end, 10);
  if (errno != 0 || *end != 0 || !isdigit((unsigned char)*value)) die("%s=%s", key, value);
  return n;
}

uint64_t need_number(const struct request *request, const char *key) {
  need(request, key);
  return number(request, key, 0);
}

struct bytes need_body(const struct request *request) {
  if (request->body_count != 1) die("%s needs one body", request->verb);
  return request->bodies[0];
}

int64_t wait_of(const struct request *request) {
  const char *wait = get(request, "wait");
  if (wait == NULL || strcmp(wait, "forever") == 0) return MB_FOREVER;
  if (strcmp(wait, "try") == 0) return MB_TRY;
  return (int64_t)(strtod(wait, NULL) * 1e9);
}

/* ---- answers ---- */

void say(struct answer *answer, const char *key, const char *value) {
  append_text(&answer->line, " ");
  append_text(&answer->line, key);
  append_text(&answer->line, "=");
  for (; *value != 0; ++value) {
    unsigned char c = (unsigned char)*value;
    char escaped[4];
    if (c > 32 && c < 127 && c != '%') {
      append(&answer->line, &c, 1);
    } else {
      snprintf(escaped, sizeof escaped, "%%%02x", c);
      append_text(&answer->line, escaped);
    }
  }
}

void say_number(struct answer *answer, const char *key, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  say(answer, key, text);
}

void say_body(struct answer *answer, const void *data, size_t length) {
  say_number(answer, "body", length);
  append(&answer->tail, data, length);
}

static void finish_line(struct answer *answer) {
  append(&answer->out, answer->line.data, answer->line.length);
  append_text(&answer->out, "\n");
  append(&answer->out, answer->tail.data, answer->tail.length);
  answer->line.length = answer->tail.length = 0;
}

void begin_item(struct answer *answer) {
  finish_line(answer);
  append_text(&answer->line, "-");
}

static void forget(struct answer *answer) {
  answer->out.length = answer->line.length = answer->tail.length = 0;
}

static const char *const names[] = {
    [MB_OK] = "ok",
    [MB_FULL] = "full",
    [MB_EMPTY] = "empty",
    [MB_TIMEOUT] = "timeout",
    [MB_CLOSED] = "closed",
    [MB_PEER_DIED] = "peer_died",
    [MB_NOT_PERMITTED] = "not_permitted",
    [MB_TOO_LARGE] = "too_large",
    [MB_NO_SPACE] = "no_space",
    [MB_CORRUPT] = "corrupt",
    [MB_VERSION] = "version",
    [MB_NOT_FOUND] = "not_found",
    [MB_ALREADY_EXISTS] = "already_exists",
    [MB_BAD_NAME] = "bad_name",
    [MB_INVALID] = "invalid",
    [MB_WRONG_TYPE] = "wrong_type",
    [MB_BAD_DOMAIN] = "bad_domain",
    [MB_TOO_MANY] = "too_many",
    [MB_LEASE_LOST] = "lease_lost",
    [MB_FORKED] = "forked",
    [MB_INTERRUPTED] = "interrupted",
    [MB_SYSTEM] = "system",
    [MB_INTERNAL] = "internal",
};

bool went_well(struct answer *answer, mb_status status) {
  if (status == MB_OK) return true;
  if (status < 0 || (size_t)status >= sizeof names / sizeof *names) die("status %d", status);
  forget(answer);
  answer->status = names[status];
  say_number(answer, "code", (uint64_t)status);
  say(answer, "kind_text", mb_status_text(status));
  say(answer, "text", mb_last_error());
  if (mb_last_error_bytes() != 0) say_number(answer, "needed", mb_last_error_bytes());
  return false;
}

void failed_system(struct answer *answer) {
  forget(answer);
  answer->status = "driver";
  say(answer, "text", strerror(errno));
}

bool answer_write(struct answer *answer, const char *tag, int to) {
  struct bytes head = {NULL, 0};
  append_text(&head, tag);
  append_text(&head, " ");
  append_text(&head, answer->status);
  finish_line(answer);
  append(&head, answer->out.data, answer->out.length);
  size_t done = 0;
  while (done < head.length) {
    ssize_t n = write(to, head.data + done, head.length - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += (size_t)n;
  }
  bool all = done == head.length;
  free(head.data);
  free(answer->out.data);
  free(answer->line.data);
  free(answer->tail.data);
  return all;
}
