/* Segments, and queues in them. */
#include "harness.h"

static mb_segment *make_segment(const char *name, uint64_t size) {
  mb_segment *segment = NULL;
  OK(mb_segment_create(name, size, NULL, &segment));
  CHECK(segment != NULL);
  return segment;
}

static void end_segment(mb_segment *segment, const char *name) {
  OK(mb_segment_close(segment));
  OK(mb_segment_delete(name));
}

static void shared_between_handles(void) {
  mb_segment *one = make_segment("shared", 10000), *two = NULL;
  char buffer[6] = {0};
  CHECK(strcmp(mb_segment_name(one), "shared") == 0);
  CHECK(mb_segment_size(one) >= 10000 && mb_segment_max_size(one) >= mb_segment_size(one));
  CHECK(mb_segment_access(one) == MB_READ_WRITE && !mb_segment_is_deleted(one));
  for (size_t i = 0; i < 10000; i++) CHECK(((char *)mb_segment_address(one))[i] == 0);
  OK(mb_segment_open("shared", MB_READ_WRITE, &two));
  OK(mb_segment_write(one, 9995, "hello", 5));
  OK(mb_segment_read(two, 9995, buffer, 5));
  CHECK(strcmp(buffer, "hello") == 0);
  CHECK(memcmp((char *)mb_segment_address(two) + 9995, "hello", 5) == 0);
  OK(mb_segment_close(two));
  end_segment(one, "shared");
}

static void only_for_reading(void) {
  mb_segment *writer = make_segment("reading", 4096), *reader = NULL;
  char buffer[2];
  mb_port *port = NULL;
  OK(mb_segment_open("reading", MB_READ_ONLY, &reader));
  CHECK(mb_segment_access(reader) == MB_READ_ONLY);
  OK(mb_segment_write(writer, 0, "ab", 2));
  OK(mb_segment_read(reader, 0, buffer, 2));
  CHECK(memcmp(buffer, "ab", 2) == 0);
  EXPECT(MB_NOT_PERMITTED, mb_segment_write(reader, 0, "x", 1));
  SAYS("reading");
  EXPECT(MB_NOT_PERMITTED, mb_segment_grow(reader, 100000));
  EXPECT(MB_NOT_PERMITTED, mb_queue_create(reader, 0, NULL, &port));
  EXPECT(MB_NOT_PERMITTED, mb_queue_open(reader, 0, &port));
  OK(mb_segment_close(reader));
  end_segment(writer, "reading");
}

static void grows_for_all_its_users(void) {
  mb_segment_options options = MB_SEGMENT_OPTIONS_INIT;
  mb_segment *one = NULL, *two = NULL;
  void *address;
  uint64_t before;
  options.max_size = 1 << 20;
  OK(mb_segment_create("grows", 4096, &options, &one));
  OK(mb_segment_open("grows", MB_READ_WRITE, &two));
  address = mb_segment_address(two);
  CHECK(mb_segment_max_size(two) == 1 << 20);
  OK(mb_segment_grow(one, 100000));
  CHECK(mb_segment_size(one) >= 100000 && mb_segment_size(two) == mb_segment_size(one));
  CHECK(mb_segment_address(two) == address);
  OK(mb_segment_write(one, 99999, "x", 1));
  CHECK(((char *)address)[99999] == 'x');
  before = mb_segment_size(one);
  OK(mb_segment_grow(one, 10)); /* no smaller */
  CHECK(mb_segment_size(one) == before);
  {
    EXPECT(MB_TOO_LARGE, mb_segment_grow(one, (1 << 20) + 1));
    SAYS("1048577");
  }
  CHECK(mb_segment_grow(one, UINT64_MAX) != MB_OK);
  CHECK(mb_segment_size(one) == before);
  OK(mb_segment_close(two));
  end_segment(one, "grows");
}

static void absent_existing_deleted(void) {
  mb_segment *one = MISALIGNED(mb_segment *), *two = MISALIGNED(mb_segment *);
  mb_port *port = NULL;
  EXPECT(MB_NOT_FOUND, mb_segment_open("there", MB_READ_WRITE, &one));
  SAYS("there");
  EXPECT(MB_NOT_FOUND, mb_segment_delete("there"));
  CHECK(one == MISALIGNED(mb_segment *));
  OK(mb_segment_open_or_create("there", 8192, NULL, &one));
  EXPECT(MB_ALREADY_EXISTS, mb_segment_create("there", 8192, NULL, &two));
  CHECK(two == MISALIGNED(mb_segment *));
  OK(mb_segment_open_or_create("there", 5, NULL, &two)); /* taken as it is */
  CHECK(mb_segment_size(two) == mb_segment_size(one));
  OK(mb_segment_delete("there"));
  CHECK(mb_segment_is_deleted(one) && mb_segment_is_deleted(two));
  OK(mb_segment_write(one, 0, "alive", 5)); /* until the last detach */
  CHECK(memcmp(mb_segment_address(two), "alive", 5) == 0);
  OK(mb_segment_close(one));
  CHECK(memcmp(mb_segment_address(two), "alive", 5) == 0);
  OK(mb_segment_close(two));
  EXPECT(MB_NOT_FOUND, mb_segment_open("there", MB_READ_WRITE, &one));
  port = make_port("a-port", 1); /* ports and segments have names of their own */
  EXPECT(MB_NOT_FOUND, mb_segment_open("a-port", MB_READ_WRITE, &one));
  end_port(port, "a-port");
}

static void modes(void) {
  mb_segment_options options = MB_SEGMENT_OPTIONS_INIT;
  mb_segment *segment = NULL;
  mb_domain *domain = NULL;
  mb_entries *entries = NULL;
  int found = 0;
  options.mode = 0644;
  OK(mb_segment_create("modes", 1, &options, &segment));
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_list(domain, &entries));
  for (size_t i = 0; i < mb_entries_count(entries); i++) {
    const mb_entry *entry = mb_entries_at(entries, i);
    if (strcmp(entry->name, "modes") != 0) continue;
    CHECK(entry->mode == 0644);
    found++;
  }
  CHECK(found == 1);
  OK(mb_entries_free(entries));
  OK(mb_domain_close(domain));
  end_segment(segment, "modes");
}

static void bad_sizes_and_options(void) {
  const mb_segment_options good = MB_SEGMENT_OPTIONS_INIT;
  mb_segment_options bad;
  mb_segment *segment = MISALIGNED(mb_segment *);
  EXPECT(MB_INVALID, mb_segment_create("bad", 0, NULL, &segment));
  CHECK(mb_segment_create("bad", UINT64_MAX, NULL, &segment) != MB_OK);
  CHECK(mb_segment_create("bad", (uint64_t)INT64_MAX + 1, NULL, &segment) != MB_OK);
  bad = good, bad.size = 8;
  INVALID("mb_segment_options", mb_segment_create("bad", 1, &bad, &segment));
  bad = good, bad.flags = 1;
  INVALID("flags", mb_segment_create("bad", 1, &bad, &segment));
  bad = good, bad.max_size = 4096;
  EXPECT(MB_INVALID, mb_segment_create("bad", 100000, &bad, &segment));
  SAYS("100000");
  bad = good, bad.max_size = UINT64_MAX;
  CHECK(mb_segment_create("bad", 1, &bad, &segment) != MB_OK);
  bad = good, bad.mode = 010000;
  EXPECT(MB_INVALID, mb_segment_create("bad", 1, &bad, &segment));
  EXPECT(MB_BAD_NAME, mb_segment_create("a/b", 1, NULL, &segment));
  EXPECT(MB_BAD_NAME, mb_segment_open("", MB_READ_ONLY, &segment));
  EXPECT(MB_BAD_NAME, mb_segment_delete("-x"));
  CHECK(segment == MISALIGNED(mb_segment *));
  EXPECT(MB_NOT_FOUND, mb_segment_delete("bad")); /* none of them left anything */
}

static void no_space_says_the_figures(void) {
  mb_domain *domain = NULL;
  mb_domain_stats stats = MB_DOMAIN_STATS_INIT;
  mb_segment_options options = MB_SEGMENT_OPTIONS_INIT;
  mb_segment *segment = MISALIGNED(mb_segment *);
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_stat(domain, &stats));
  if (stats.space_total > (uint64_t)1 << 42) return; /* without limit, or beyond any segment's */
  options.max_size = stats.space_total * 4;
  EXPECT(MB_NO_SPACE, mb_segment_create("huge", stats.space_total * 2, &options, &segment));
  SAYS("available");
  CHECK(mb_last_error_bytes() >= stats.space_total * 2);
  CHECK(segment == MISALIGNED(mb_segment *));
  EXPECT(MB_NOT_FOUND, mb_segment_delete("huge"));
  OK(mb_domain_close(domain));
}

static void in_another_domain(void) {
  char path[500];
  mb_domain *other = NULL;
  mb_segment *segment = NULL;
  snprintf(path, sizeof path, "%s-segments", getenv("MAILBOAT_DOMAIN"));
  OK(mb_domain_open(path, &other));
  EXPECT(MB_NOT_FOUND, mb_segment_open_in(other, "x", MB_READ_WRITE, &segment));
  OK(mb_segment_create_in(other, "x", 100, NULL, &segment));
  OK(mb_segment_close(segment));
  OK(mb_segment_open_or_create_in(other, "x", 100, NULL, &segment));
  OK(mb_segment_close(segment));
  OK(mb_segment_open_in(other, "x", MB_READ_ONLY, &segment));
  EXPECT(MB_NOT_FOUND, mb_segment_delete("x"));
  OK(mb_segment_delete_in(other, "x"));
  OK(mb_segment_close(segment));
  INVALID("domain is NULL", mb_segment_create_in(NULL, "x", 1, NULL, &segment));
  INVALID("domain is NULL", mb_segment_open_in(NULL, "x", MB_READ_ONLY, &segment));
  INVALID("domain is NULL", mb_segment_open_or_create_in(NULL, "x", 1, NULL, &segment));
  INVALID("domain is NULL", mb_segment_delete_in(NULL, "x"));
  INVALID("name is NULL", mb_segment_create_in(other, NULL, 1, NULL, &segment));
  INVALID("name is NULL", mb_segment_open_in(other, NULL, MB_READ_ONLY, &segment));
  INVALID("name is NULL", mb_segment_open_or_create_in(other, NULL, 1, NULL, &segment));
  INVALID("name is NULL", mb_segment_delete_in(other, NULL));
  INVALID("access is 7", mb_segment_open_in(other, "x", 7, &segment));
  OK(mb_domain_close(other));
}

static void bad_arguments_are_named(void) {
  mb_segment *segment = make_segment("arguments", 4096);
  mb_segment *none = MISALIGNED(mb_segment *);
  char buffer[10];
  const uint64_t size = mb_segment_size(segment);
  INVALID("name is NULL", mb_segment_create(NULL, 1, NULL, &none));
  INVALID("segment is NULL", mb_segment_create("x", 1, NULL, NULL));
  INVALID("segment is misaligned", mb_segment_create("x", 1, NULL, MISALIGNED(mb_segment **)));
  INVALID("misaligned", mb_segment_create("x", 1, MISALIGNED(mb_segment_options *), &none));
  INVALID("name is NULL", mb_segment_open(NULL, MB_READ_ONLY, &none));
  INVALID("segment is NULL", mb_segment_open("arguments", MB_READ_ONLY, NULL));
  INVALID("access is 0", mb_segment_open("arguments", 0, &none));
  INVALID("access is 3", mb_segment_open("arguments", 3, &none));
  INVALID("name is NULL", mb_segment_open_or_create(NULL, 1, NULL, &none));
  INVALID("segment is NULL", mb_segment_open_or_create("x", 1, NULL, NULL));
  INVALID("name is NULL", mb_segment_delete(NULL));
  INVALID("segment is NULL", mb_segment_close(NULL));
  INVALID("segment is misaligned", mb_segment_close(none));
  INVALID("segment is NULL", mb_segment_grow(NULL, 1));
  INVALID("segment is NULL", mb_segment_read(NULL, 0, buffer, 1));
  INVALID("buffer is NULL", mb_segment_read(segment, 0, NULL, 1));
  INVALID("segment is NULL", mb_segment_write(NULL, 0, buffer, 1));
  INVALID("data is NULL", mb_segment_write(segment, 0, NULL, 1));
  CHECK(mb_segment_read(segment, size - 1, buffer, 2) != MB_OK);
  CHECK(mb_segment_write(segment, size - 1, buffer, 2) != MB_OK);
  CHECK(mb_segment_read(segment, UINT64_MAX, buffer, 2) != MB_OK);
  CHECK(mb_segment_write(segment, UINT64_MAX, buffer, 2) != MB_OK);
  OK(mb_segment_read(segment, size, NULL, 0));
  CHECK(mb_segment_name(NULL) == NULL);
  SAYS("segment is NULL");
  CHECK(mb_segment_address(NULL) == NULL);
  SAYS("segment is NULL");
  CHECK(mb_segment_address(none) == NULL);
  SAYS("segment is misaligned");
  CHECK(mb_segment_size(NULL) == 0);
  SAYS("segment is NULL");
  CHECK(mb_segment_max_size(NULL) == 0);
  SAYS("segment is NULL");
  CHECK(mb_segment_access(NULL) == 0);
  SAYS("segment is NULL");
  CHECK(!mb_segment_is_deleted(NULL));
  SAYS("segment is NULL");
  EXPECT(MB_NOT_FOUND, mb_segment_delete("x"));
  end_segment(segment, "arguments");
}

/* ---- queues ---- */

static const mb_port_options *small_queue(void) {
  static mb_port_options options = MB_PORT_OPTIONS_INIT;
  options.capacity = 8;
  options.max_message = 1000;
  options.byte_budget = 100000;
  options.max_users = 4;
  return &options;
}

static void a_queue_in_a_segment(void) {
  mb_segment *segment = NULL, *again = NULL;
  mb_port *one = NULL, *two = NULL;
  mb_port_stats stats = MB_PORT_STATS_INIT;
  mb_receipt *receipt = NULL;
  mb_loan *loan = NULL;
  uint64_t size = 0;
  OK(mb_queue_required_size(small_queue(), &size));
  CHECK(size > 0 && size % 4096 == 0);
  segment = make_segment("queue", 8192 + 2 * size);
  OK(mb_queue_create(segment, 8192, small_queue(), &one));
  OK(mb_segment_open("queue", MB_READ_WRITE, &again));
  OK(mb_queue_open(again, 8192, &two));
  OK(mb_segment_close(again)); /* the queue keeps what it needs */
  SENDS(one, "through a segment");
  CHECK(mb_port_queued(two) == 1);
  RECEIVES(two, "through a segment");
  OK(mb_port_loan(one, 500, MB_TRY, &loan));
  memset(mb_loan_data(loan), 'q', 500);
  OK(mb_loan_commit(loan, 500, 0, MB_TRY, NULL));
  OK(mb_port_take(two, MB_TRY, &receipt));
  CHECK(mb_receipt_length(receipt) == 500 && *(const char *)mb_receipt_data(receipt) == 'q');
  OK(mb_receipt_ack(receipt));
  CHECK(mb_port_capacity(two) == 8 && mb_port_max_message(two) == 1000);
  CHECK(strcmp(mb_port_name(two), "") == 0 && strstr(mb_port_label(two), "queue") != NULL);
  OK(mb_port_stat(two, &stats));
  CHECK(stats.flags == MB_PORT_IN_SEGMENT && stats.owner == 0 && stats.sent == 2);
  OK(mb_port_close(two));
  OK(mb_queue_create(segment, 8192 + size, small_queue(), &two)); /* a second one beside it */
  SENDS(two, "the second one");
  CHECK(mb_port_queued(one) == 0);
  OK(mb_port_close(two));
  OK(mb_port_close(one));
  end_segment(segment, "queue");
}

static void shutting_a_queue(void) {
  mb_segment *segment;
  mb_port *one = NULL, *two = NULL, *port = make_port("no-queue", 1);
  uint64_t size = 0;
  OK(mb_queue_required_size(small_queue(), &size));
  segment = make_segment("shut", size);
  OK(mb_queue_create(segment, 0, small_queue(), &one));
  OK(mb_queue_open(segment, 0, &two));
  OK(mb_queue_shut(one));
  EXPECT(MB_CLOSED, mb_port_send(two, "x", 1, MB_FOREVER));
  CHECK(mb_port_is_closed(two));
  OK(mb_port_close(two));
  OK(mb_port_close(one));
  INVALID("mb_port_delete", mb_queue_shut(port));
  INVALID("port is NULL", mb_queue_shut(NULL));
  CHECK(!mb_port_is_closed(port));
  end_port(port, "no-queue");
  end_segment(segment, "shut");
}

static void bad_places_for_a_queue(void) {
  mb_port_options bad = *small_queue();
  mb_segment_options room = MB_SEGMENT_OPTIONS_INIT;
  mb_segment *segment = NULL;
  mb_port *port = MISALIGNED(mb_port *);
  const uint64_t last_page = UINT64_MAX & ~(uint64_t)4095;
  uint64_t size = 0, untouched = 99;
  OK(mb_queue_required_size(small_queue(), &size));
  room.max_size = size;
  OK(mb_segment_create("bad-places", 4096, &room, &segment));
  EXPECT(MB_NOT_FOUND, mb_queue_open(segment, 0, &port)); /* nothing there yet */
  EXPECT(MB_INVALID, mb_queue_create(segment, 100, small_queue(), &port));
  SAYS("100");
  EXPECT(MB_INVALID, mb_queue_open(segment, 4095, &port));
  EXPECT(MB_TOO_LARGE, mb_queue_create(segment, 4096, small_queue(), &port)); /* beyond the end */
  EXPECT(MB_TOO_LARGE, mb_queue_create(segment, last_page, small_queue(), &port));
  EXPECT(MB_NOT_FOUND, mb_queue_open(segment, last_page, &port));
  OK(mb_segment_write(segment, 0, "something else", 14));
  EXPECT(MB_ALREADY_EXISTS, mb_queue_create(segment, 0, small_queue(), &port));
  EXPECT(MB_CORRUPT, mb_queue_open(segment, 0, &port));
  bad.flags = MB_PORT_OWNED_BY_TASK;
  INVALID("flags", mb_queue_create(segment, 0, &bad, &port));
  INVALID("flags", mb_queue_required_size(&bad, &untouched));
  bad = *small_queue(), bad.mode = 0600;
  INVALID("mode", mb_queue_create(segment, 0, &bad, &port));
  bad = *small_queue(), bad.size = 1;
  INVALID("size", mb_queue_create(segment, 0, &bad, &port));
  bad = *small_queue(), bad.capacity = UINT32_MAX;
  EXPECT(MB_INVALID, mb_queue_required_size(&bad, &untouched));
  CHECK(untouched == 99);
  INVALID("segment is NULL", mb_queue_create(NULL, 0, small_queue(), &port));
  INVALID("port is NULL", mb_queue_create(segment, 0, small_queue(), NULL));
  INVALID("segment is NULL", mb_queue_open(NULL, 0, &port));
  INVALID("port is NULL", mb_queue_open(segment, 0, NULL));
  INVALID("size is NULL", mb_queue_required_size(small_queue(), NULL));
  CHECK(port == MISALIGNED(mb_port *));
  OK(mb_queue_required_size(NULL, &size)); /* the defaults */
  end_segment(segment, "bad-places");
}

int main(void) {
  RUN(shared_between_handles);
  RUN(only_for_reading);
  RUN(grows_for_all_its_users);
  RUN(absent_existing_deleted);
  RUN(modes);
  RUN(bad_sizes_and_options);
  RUN(no_space_says_the_figures);
  RUN(in_another_domain);
  RUN(bad_arguments_are_named);
  RUN(a_queue_in_a_segment);
  RUN(shutting_a_queue);
  RUN(bad_places_for_a_queue);
  return 0;
}
