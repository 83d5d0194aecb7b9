/* Sending and receiving by copy, one by one and in batches. */
#include "harness.h"

static void kinds_ids_and_headers(void) {
  mb_port *port = make_port("headers", 10);
  mb_domain *domain = NULL;
  mb_header header;
  char buffer[10];
  uint64_t first = 0, second = 0, task = 0;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_task(domain, &task));
  OK(mb_port_send_message(port, "abc", 3, 77, MB_TRY, &first));
  OK(mb_port_send_message(port, "", 0, UINT32_MAX, MB_FOREVER, &second));
  OK(mb_port_send_message(port, "x", 1, 0, MB_TRY, NULL)); /* the id is not wanted */
  CHECK(first != second);
  memset(&header, 0xff, sizeof header);
  OK(mb_port_receive_message(port, buffer, sizeof buffer, MB_TRY, &header));
  CHECK(header.length == 3 && memcmp(buffer, "abc", 3) == 0);
  CHECK(header.kind == 77 && header.id == first && header.sender == task);
  CHECK(header.offset == 0 && header.sent_ns == 0 && header.redeliveries == 0);
  CHECK(header.flags == 0 && header.reserved == 0 && header.reserved2 == 0);
  OK(mb_port_receive_message(port, NULL, 0, MB_TRY, &header)); /* an empty body needs no buffer */
  CHECK(header.length == 0 && header.kind == UINT32_MAX && header.id == second);
  RECEIVES(port, "x");
  OK(mb_domain_close(domain));
  end_port(port, "headers");
}

static void times_are_noted_where_asked_for(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *port = NULL;
  mb_header one, two;
  options.flags = MB_PORT_TIMESTAMPS;
  OK(mb_port_create("times", &options, &port));
  SENDS(port, "");
  SENDS(port, "");
  OK(mb_port_receive_message(port, NULL, 0, MB_TRY, &one));
  OK(mb_port_receive_message(port, NULL, 0, MB_TRY, &two));
  CHECK(one.flags == MB_MESSAGE_TIMESTAMPED && two.flags == MB_MESSAGE_TIMESTAMPED);
  CHECK(one.sent_ns > 0 && two.sent_ns >= one.sent_ns);
  end_port(port, "times");
}

static void every_length_comes_through(void) {
  static unsigned char sent[300000], found[300000];
  static const size_t lengths[] = {0,   1,   7,    8,    191,  192,   193,   255,   256,
                                   257, 999, 1024, 4095, 4096, 65537, 262144, 300000};
  mb_port *port = make_port("lengths", 4);
  for (size_t i = 0; i < sizeof sent; i++) sent[i] = (unsigned char)(i * 31 + 7);
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    size_t length = 99;
    memset(found, 0xee, sizeof found);
    OK(mb_port_send(port, sent, lengths[i], MB_TRY));
    OK(mb_port_receive(port, found, sizeof found, &length, MB_TRY));
    CHECK(length == lengths[i]);
    CHECK(memcmp(found, sent, length) == 0);
    CHECK(length == sizeof found || found[length] == 0xee);
  }
  end_port(port, "lengths");
}

static void misaligned_data_is_fine(void) {
  /* Bodies are bytes; only pointers to larger things must be aligned. */
  mb_port *port = make_port("bytes", 4);
  char data[] = "0123456789", buffer[20];
  size_t length = 0;
  OK(mb_port_send(port, data + 3, 5, MB_TRY));
  OK(mb_port_receive(port, buffer + 1, sizeof buffer - 1, &length, MB_TRY));
  CHECK(length == 5 && memcmp(buffer + 1, "34567", 5) == 0);
  end_port(port, "bytes");
}

static void full_and_empty(void) {
  mb_port *port = make_port("full-empty", 2);
  char buffer[10];
  size_t length = 99;
  EXPECT(MB_EMPTY, mb_port_receive(port, buffer, sizeof buffer, &length, MB_TRY));
  SAYS("empty");
  EXPECT(MB_TIMEOUT, mb_port_receive(port, buffer, sizeof buffer, &length, MILLISECOND));
  SAYS("full-empty");
  CHECK(length == 99);
  SENDS(port, "1");
  SENDS(port, "2");
  EXPECT(MB_FULL, mb_port_send(port, "3", 1, MB_TRY));
  SAYS("2 of 2");
  EXPECT(MB_TIMEOUT, mb_port_send(port, "3", 1, MILLISECOND));
  SAYS("full-empty");
  RECEIVES(port, "1");
  RECEIVES(port, "2");
  EXPECT(MB_EMPTY, mb_port_receive(port, buffer, sizeof buffer, &length, MB_TRY));
  end_port(port, "full-empty");
}

static void too_large_to_send(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *port = NULL;
  char data[102] = {0};
  uint64_t id = 99;
  mb_loan *loan = MISALIGNED(mb_loan *);
  mb_outgoing batch[2] = {{data, 100, 0, 0}, {data, 101, 0, 0}};
  size_t sent = 99;
  options.max_message = 100;
  OK(mb_port_create("large", &options, &port));
  EXPECT(MB_TOO_LARGE, mb_port_send_message(port, data, 101, 0, MB_FOREVER, &id));
  SAYS("101");
  SAYS("100");
  CHECK(id == 99 && mb_last_error_bytes() == 101);
  EXPECT(MB_TOO_LARGE, mb_port_send(port, data, (size_t)-1, MB_TRY));
  SAYS("100");
  EXPECT(MB_TOO_LARGE, mb_port_loan(port, 101, MB_TRY, &loan));
  EXPECT(MB_TOO_LARGE, mb_port_loan(port, UINT64_MAX, MB_TRY, &loan));
  CHECK(loan == MISALIGNED(mb_loan *));
  CHECK(mb_port_queued(port) == 0);
  OK(mb_port_send(port, data, 100, MB_TRY));
  CHECK(mb_port_queued(port) == 1);
  EXPECT(MB_TOO_LARGE, mb_port_send_many(port, batch + 1, 1, MB_TRY, &sent));
  CHECK(sent == 99);
  end_port(port, "large");
}

static void too_large_to_receive(void) {
  mb_port *port = make_port("small-buffer", 4);
  char buffer[8];
  size_t length = 99;
  mb_header header;
  SENDS(port, "123456789");
  SENDS(port, "next");
  EXPECT(MB_TOO_LARGE, mb_port_receive(port, buffer, sizeof buffer, &length, MB_FOREVER));
  CHECK(length == 99 && mb_last_error_bytes() == 9);
  SAYS("9");
  EXPECT(MB_TOO_LARGE, mb_port_receive_message(port, NULL, 0, MB_TRY, &header));
  EXPECT(MB_TOO_LARGE, mb_port_receive_many(port, buffer, 8, &header, 1, MB_TRY, &length));
  CHECK(length == 99);
  /* It stayed where it was, and nobody had it in hand. */
  {
    char enough[9];
    OK(mb_port_receive_message(port, enough, sizeof enough, MB_TRY, &header));
    CHECK(header.length == 9 && memcmp(enough, "123456789", 9) == 0);
  }
  RECEIVES(port, "next");
  end_port(port, "small-buffer");
}

static void batches(void) {
  enum { COUNT = 5 };
  mb_port *port = make_port("batches", 8);
  mb_outgoing out[COUNT];
  mb_header headers[COUNT];
  char text[COUNT][8], buffer[100];
  size_t sent = 0, received = 0, packed = 0;
  for (unsigned i = 0; i < COUNT; i++) {
    const size_t length = (size_t)snprintf(text[i], sizeof text[i], "%.*s", (int)i, "abcdefg");
    out[i].data = i == 0 ? NULL : text[i]; /* the first one is empty */
    out[i].length = length;
    out[i].kind = 100 + i;
    out[i].flags = 0;
  }
  OK(mb_port_send_many(port, out, COUNT, MB_FOREVER, &sent));
  CHECK(sent == COUNT && mb_port_queued(port) == COUNT);
  OK(mb_port_receive_many(port, buffer, sizeof buffer, headers, COUNT, MB_FOREVER, &received));
  CHECK(received == COUNT);
  for (unsigned i = 0; i < COUNT; i++) {
    CHECK(headers[i].kind == 100 + i && headers[i].length == i);
    CHECK(headers[i].offset + headers[i].length <= sizeof buffer);
    CHECK(headers[i].offset >= packed);
    packed = (size_t)(headers[i].offset + headers[i].length);
    CHECK(memcmp(buffer + headers[i].offset, text[i], i) == 0);
    CHECK(i == 0 || headers[i].id != headers[i - 1].id);
  }
  EXPECT(MB_EMPTY, mb_port_receive_many(port, buffer, sizeof buffer, headers, 1, MB_TRY, &sent));
  end_port(port, "batches");
}

static void batches_stop_where_they_must(void) {
  mb_port *port = make_port("stop", 3);
  mb_outgoing out[4] = {{"aa", 2, 0, 0}, {"bb", 2, 0, 0}, {"cc", 2, 0, 0}, {"dd", 2, 0, 0}};
  mb_header headers[4];
  char buffer[4];
  size_t sent = 99, received = 99;
  OK(mb_port_send_many(port, out, 4, MB_TRY, &sent));
  CHECK(sent == 3); /* the port is full */
  sent = 99;
  EXPECT(MB_FULL, mb_port_send_many(port, out + 3, 1, MB_TRY, &sent));
  EXPECT(MB_TIMEOUT, mb_port_send_many(port, out + 3, 1, MILLISECOND, &sent));
  CHECK(sent == 99);
  OK(mb_port_receive_many(port, buffer, sizeof buffer, headers, 4, MB_TRY, &received));
  CHECK(received == 2 && memcmp(buffer, "aabb", 4) == 0); /* the buffer is full */
  RECEIVES(port, "cc");
  OK(mb_port_send_many(port, out, 3, MB_TRY, &sent));
  OK(mb_port_receive_many(port, buffer, sizeof buffer, headers, 1, MB_TRY, &received));
  CHECK(received == 1); /* the headers are full */
  RECEIVES(port, "bb");
  RECEIVES(port, "cc");
  EXPECT(MB_TIMEOUT, mb_port_receive_many(port, buffer, 4, headers, 1, MILLISECOND, &received));
  end_port(port, "stop");
}

static void bad_batches_send_nothing(void) {
  mb_port *port = make_port("bad-batch", 4);
  mb_outgoing out[2] = {{"aa", 2, 0, 0}, {"bb", 2, 0, 0}};
  size_t sent = 99;
  out[1].flags = 1;
  INVALID("messages[1].flags", mb_port_send_many(port, out, 2, MB_TRY, &sent));
  out[1].flags = 0, out[1].data = NULL;
  INVALID("messages[1].data", mb_port_send_many(port, out, 2, MB_TRY, &sent));
  INVALID("messages is NULL", mb_port_send_many(port, NULL, 2, MB_TRY, &sent));
  INVALID("misaligned", mb_port_send_many(port, MISALIGNED(mb_outgoing *), 2, MB_TRY, &sent));
  INVALID("messages", mb_port_send_many(port, out, (size_t)-1, MB_TRY, &sent));
  INVALID("sent is NULL", mb_port_send_many(port, out, 1, MB_TRY, NULL));
  INVALID("port is NULL", mb_port_send_many(NULL, out, 1, MB_TRY, &sent));
  INVALID("timeout_ns", mb_port_send_many(port, out, 1, -2, &sent));
  CHECK(sent == 99 && mb_port_queued(port) == 0);
  OK(mb_port_send_many(port, NULL, 0, MB_FOREVER, &sent)); /* none is none */
  CHECK(sent == 0);
  end_port(port, "bad-batch");
}

static void bad_arguments_are_named(void) {
  mb_port *port = make_port("bad-arguments", 4);
  mb_port *const crooked = MISALIGNED(mb_port *);
  char buffer[10];
  size_t length = 99;
  uint64_t id = 99;
  mb_header header;
  memset(&header, 0x55, sizeof header);
  INVALID("port is NULL", mb_port_send(NULL, "x", 1, MB_TRY));
  INVALID("port is misaligned", mb_port_send(crooked, "x", 1, MB_TRY));
  INVALID("data is NULL", mb_port_send(port, NULL, 1, MB_TRY));
  INVALID("timeout_ns is -2", mb_port_send(port, "x", 1, -2));
  INVALID("timeout_ns", mb_port_send(port, "x", 1, INT64_MIN));
  INVALID("port is NULL", mb_port_send_message(NULL, "x", 1, 0, MB_TRY, &id));
  INVALID("data is NULL", mb_port_send_message(port, NULL, 1, 0, MB_TRY, &id));
  INVALID("id is misaligned", mb_port_send_message(port, "x", 1, 0, 0, MISALIGNED(uint64_t *)));
  INVALID("timeout_ns", mb_port_send_message(port, "x", 1, 0, -5, &id));
  CHECK(id == 99 && mb_port_queued(port) == 0);
  SENDS(port, "x");
  INVALID("port is NULL", mb_port_receive(NULL, buffer, 10, &length, MB_TRY));
  INVALID("port is misaligned", mb_port_receive(crooked, buffer, 10, &length, MB_TRY));
  INVALID("buffer is NULL", mb_port_receive(port, NULL, 10, &length, MB_TRY));
  INVALID("buffer", mb_port_receive(port, buffer, (size_t)-1, &length, MB_TRY));
  INVALID("length is NULL", mb_port_receive(port, buffer, 10, NULL, MB_TRY));
  INVALID("length is misaligned",
          mb_port_receive(port, buffer, 10, MISALIGNED(size_t *), MB_TRY));
  INVALID("timeout_ns", mb_port_receive(port, buffer, 10, &length, -2));
  INVALID("port is NULL", mb_port_receive_message(NULL, buffer, 10, MB_TRY, &header));
  INVALID("buffer is NULL", mb_port_receive_message(port, NULL, 10, MB_TRY, &header));
  INVALID("header is NULL", mb_port_receive_message(port, buffer, 10, MB_TRY, NULL));
  INVALID("header is misaligned",
          mb_port_receive_message(port, buffer, 10, MB_TRY, MISALIGNED(mb_header *)));
  INVALID("timeout_ns", mb_port_receive_message(port, buffer, 10, -2, &header));
  INVALID("port is NULL", mb_port_receive_many(NULL, buffer, 10, &header, 1, 0, &length));
  INVALID("buffer is NULL", mb_port_receive_many(port, NULL, 10, &header, 1, 0, &length));
  INVALID("headers is NULL", mb_port_receive_many(port, buffer, 10, NULL, 1, 0, &length));
  INVALID("headers is misaligned",
          mb_port_receive_many(port, buffer, 10, MISALIGNED(mb_header *), 1, 0, &length));
  INVALID("headers", mb_port_receive_many(port, buffer, 10, &header, (size_t)-1, 0, &length));
  INVALID("max is 0", mb_port_receive_many(port, buffer, 10, &header, 0, 0, &length));
  INVALID("received is NULL", mb_port_receive_many(port, buffer, 10, &header, 1, 0, NULL));
  INVALID("timeout_ns", mb_port_receive_many(port, buffer, 10, &header, 1, -2, &length));
  CHECK(length == 99 && header.kind == 0x55555555);
  RECEIVES(port, "x"); /* nothing was lost on the way */
  end_port(port, "bad-arguments");
}

int main(void) {
  RUN(kinds_ids_and_headers);
  RUN(times_are_noted_where_asked_for);
  RUN(every_length_comes_through);
  RUN(misaligned_data_is_fine);
  RUN(full_and_empty);
  RUN(too_large_to_send);
  RUN(too_large_to_receive);
  RUN(batches);
  RUN(batches_stop_where_they_must);
  RUN(bad_batches_send_nothing);
  RUN(bad_arguments_are_named);
  return 0;
}
