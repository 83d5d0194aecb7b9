/* Segments, and queues in them. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

static mb_segment_options options_of(const struct request *request) {
  mb_segment_options options = MB_SEGMENT_OPTIONS_INIT;
  options.max_size = number(request, "max_size", 0);
  options.mode = (uint32_t)number(request, "mode", 0);
  return options;
}

static void create(const struct request *request, struct answer *answer) {
  const mb_segment_options options = options_of(request);
  const char *name = need(request, "name");
  const uint64_t size = need_number(request, "size");
  mb_segment *segment;
  mb_status status = domain == NULL
                         ? mb_segment_create(name, size, &options, &segment)
                         : mb_segment_create_in(domain, name, size, &options, &segment);
  if (went_well(answer, status)) keep(SEGMENT, need(request, "segment"), segment);
}

static void open_or_create(const struct request *request, struct answer *answer) {
  const mb_segment_options options = options_of(request);
  const char *name = need(request, "name");
  const uint64_t size = need_number(request, "size");
  mb_segment *segment;
  mb_status status = domain == NULL
                         ? mb_segment_open_or_create(name, size, &options, &segment)
                         : mb_segment_open_or_create_in(domain, name, size, &options, &segment);
  if (went_well(answer, status)) keep(SEGMENT, need(request, "segment"), segment);
}

static void open_segment(const struct request *request, struct answer *answer) {
  const char *name = need(request, "name");
  const char *word = get(request, "access");
  const uint32_t access =
      word != NULL && strcmp(word, "read") == 0 ? MB_READ_ONLY : MB_READ_WRITE;
  mb_segment *segment;
  mb_status status = domain == NULL ? mb_segment_open(name, access, &segment)
                                    : mb_segment_open_in(domain, name, access, &segment);
  if (went_well(answer, status)) keep(SEGMENT, need(request, "segment"), segment);
}

static void delete_segment(const struct request *request, struct answer *answer) {
  const char *name = need(request, "name");
  went_well(answer, domain == NULL ? mb_segment_delete(name) : mb_segment_delete_in(domain, name));
}

static void close_segment(const struct request *request, struct answer *answer) {
  went_well(answer, mb_segment_close(take_out(SEGMENT, need(request, "segment"))));
}

static mb_segment *segment_of(const struct request *request) {
  return find(SEGMENT, need(request, "segment"));
}

static void stat(const struct request *request, struct answer *answer) {
  const mb_segment *segment = segment_of(request);
  say_number(answer, "size", mb_segment_size(segment));
  say_number(answer, "max_size", mb_segment_max_size(segment));
  say(answer, "name", mb_segment_name(segment));
  say(answer, "access", mb_segment_access(segment) == MB_READ_ONLY ? "read" : "write");
  say_number(answer, "deleted", mb_segment_is_deleted(segment));
}

static void grow(const struct request *request, struct answer *answer) {
  went_well(answer, mb_segment_grow(segment_of(request), need_number(request, "size")));
}

static void read_segment(const struct request *request, struct answer *answer) {
  const size_t length = need_number(request, "length");
  char *buffer = malloc(length + 1);
  if (went_well(answer, mb_segment_read(segment_of(request), need_number(request, "offset"),
                                        buffer, length))) {
    say_body(answer, buffer, length);
  }
  free(buffer);
}

static void write_segment(const struct request *request, struct answer *answer) {
  const struct bytes body = need_body(request);
  went_well(answer, mb_segment_write(segment_of(request), need_number(request, "offset"),
                                     body.data, body.length));
}

/* Where `length` bytes at `offset` are. */
static char *place(const struct request *request, size_t length) {
  const mb_segment *segment = segment_of(request);
  const uint64_t offset = need_number(request, "offset");
  if (offset + length > mb_segment_size(segment)) die("beyond the segment");
  return (char *)mb_segment_address(segment) + offset;
}

static void look(const struct request *request, struct answer *answer) {
  const size_t length = need_number(request, "length");
  say_body(answer, place(request, length), length);
}

static void fill(const struct request *request, struct answer *answer) {
  (void)answer;
  const struct bytes body = need_body(request);
  memcpy(place(request, body.length), body.data, body.length);
}

/* ---- queues ---- */

static void queue_size(const struct request *request, struct answer *answer) {
  const mb_port_options options = port_options(request);
  uint64_t size;
  if (went_well(answer, mb_queue_required_size(&options, &size))) say_number(answer, "size", size);
}

static void queue_create(const struct request *request, struct answer *answer) {
  const mb_port_options options = port_options(request);
  mb_port *queue;
  if (went_well(answer, mb_queue_create(segment_of(request), need_number(request, "offset"),
                                        &options, &queue))) {
    keep(HANDLE, need(request, "handle"), queue);
  }
}

static void queue_open(const struct request *request, struct answer *answer) {
  mb_port *queue;
  if (went_well(answer,
                mb_queue_open(segment_of(request), need_number(request, "offset"), &queue))) {
    keep(HANDLE, need(request, "handle"), queue);
  }
}

static void queue_shut(const struct request *request, struct answer *answer) {
  went_well(answer, mb_queue_shut(find(HANDLE, need(request, "handle"))));
}

const struct verb_entry segment_verbs[] = {
    {"segment_create", create},
    {"segment_open", open_segment},
    {"segment_open_or_create", open_or_create},
    {"segment_delete", delete_segment},
    {"segment_close", close_segment},
    {"segment_stat", stat},
    {"segment_grow", grow},
    {"segment_read", read_segment},
    {"segment_write", write_segment},
    {"segment_look", look},
    {"segment_fill", fill},
    {"queue_size", queue_size},
    {"queue_create", queue_create},
    {"queue_open", queue_open},
    {"queue_shut", queue_shut},
    {NULL, NULL},
};
