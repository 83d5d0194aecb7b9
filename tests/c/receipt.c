/* Receipts: messages in hand. */
#include "harness.h"

static mb_receipt *take(mb_port *port) {
  mb_receipt *receipt = NULL;
  OK(mb_port_take(port, MB_TRY, &receipt));
  CHECK(receipt != NULL);
  return receipt;
}

static int is(const mb_receipt *receipt, const char *text) {
  return mb_receipt_length(receipt) == strlen(text) &&
         memcmp(mb_receipt_data(receipt), text, strlen(text)) == 0;
}

static void read_in_place_and_acknowledged(void) {
  mb_port *port = make_port("in-place", 4);
  mb_receipt *receipt = MISALIGNED(mb_receipt *);
  mb_header header;
  char part[3];
  uint64_t id = 0;
  EXPECT(MB_EMPTY, mb_port_take(port, MB_TRY, &receipt));
  EXPECT(MB_TIMEOUT, mb_port_take(port, MILLISECOND, &receipt));
  CHECK(receipt == MISALIGNED(mb_receipt *));
  OK(mb_port_send_message(port, "hello", 5, 3, MB_TRY, &id));
  receipt = take(port);
  CHECK(is(receipt, "hello"));
  OK(mb_receipt_header(receipt, &header));
  CHECK(header.length == 5 && header.kind == 3 && header.id == id && header.flags == 0);
  OK(mb_receipt_copy(receipt, 1, part, 3));
  CHECK(memcmp(part, "ell", 3) == 0);
  OK(mb_receipt_copy(receipt, 5, NULL, 0));
  OK(mb_receipt_ack(receipt));
  EXPECT(MB_EMPTY, mb_port_take(port, MB_TRY, &receipt));
  end_port(port, "in-place");
}

static void empty_bodies_have_an_address(void) {
  mb_port *port = make_port("empty", 4);
  mb_receipt *receipt;
  SENDS(port, "");
  receipt = take(port);
  CHECK(mb_receipt_length(receipt) == 0 && mb_receipt_data(receipt) != NULL);
  OK(mb_receipt_ack(receipt));
  end_port(port, "empty");
}

static void given_back_comes_again_flagged(void) {
  mb_port *port = make_port("again", 4);
  mb_receipt *receipt;
  mb_header header, first;
  SENDS(port, "one");
  SENDS(port, "two");
  receipt = take(port);
  OK(mb_receipt_header(receipt, &first));
  OK(mb_receipt_nack(receipt));
  for (uint32_t times = 1; times <= 3; times++) {
    receipt = take(port);
    CHECK(is(receipt, "one")); /* before those that are queued */
    OK(mb_receipt_header(receipt, &header));
    CHECK(header.flags == MB_MESSAGE_REDELIVERED && header.redeliveries == times);
    CHECK(header.id == first.id);
    if (times < 3) {
      OK(mb_receipt_nack(receipt));
    } else {
      OK(mb_receipt_ack(receipt));
    }
  }
  RECEIVES(port, "two");
  end_port(port, "again");
}

static void messages_in_hand_are_nobody_elses(void) {
  mb_port *port = make_port("in-hand", 4);
  mb_receipt *one, *two, *none = NULL;
  SENDS(port, "one");
  SENDS(port, "two");
  one = take(port);
  two = take(port);
  CHECK(is(one, "one") && is(two, "two"));
  EXPECT(MB_EMPTY, mb_port_take(port, MB_TRY, &none));
  OK(mb_receipt_ack(two)); /* in any order */
  OK(mb_receipt_ack(one));
  end_port(port, "in-hand");
}

static void several_at_once(void) {
  mb_port *port = make_port("several", 8);
  mb_receipt *receipts[4] = {NULL, NULL, NULL, MISALIGNED(mb_receipt *)};
  size_t taken = 99;
  EXPECT(MB_EMPTY, mb_port_take_many(port, MB_TRY, receipts, 4, &taken));
  EXPECT(MB_TIMEOUT, mb_port_take_many(port, MILLISECOND, receipts, 4, &taken));
  CHECK(taken == 99);
  SENDS(port, "a");
  SENDS(port, "b");
  SENDS(port, "c");
  OK(mb_port_take_many(port, MB_TRY, receipts, 2, &taken));
  CHECK(taken == 2 && is(receipts[0], "a") && is(receipts[1], "b"));
  OK(mb_receipt_ack(receipts[0]));
  OK(mb_receipt_nack(receipts[1]));
  OK(mb_port_take_many(port, MB_FOREVER, receipts, 4, &taken));
  CHECK(taken == 2 && is(receipts[0], "b") && is(receipts[1], "c"));
  CHECK(receipts[3] == MISALIGNED(mb_receipt *)); /* no more than were taken */
  OK(mb_receipt_ack(receipts[0]));
  OK(mb_receipt_ack(receipts[1]));
  end_port(port, "several");
}

static void outlives_the_handle(void) {
  mb_port *port = make_port("handle", 4);
  mb_receipt *receipt;
  SENDS(port, "kept");
  receipt = take(port);
  OK(mb_port_close(port));
  CHECK(is(receipt, "kept"));
  OK(mb_receipt_nack(receipt));
  OK(mb_port_open("handle", &port));
  RECEIVES(port, "kept");
  end_port(port, "handle");
}

static void of_a_deleted_port(void) {
  mb_port *port = make_port("deleted", 4);
  mb_receipt *receipt;
  SENDS(port, "kept");
  receipt = take(port);
  OK(mb_port_delete("deleted"));
  CHECK(is(receipt, "kept")); /* the memory stays as long as it is in hand */
  OK(mb_receipt_ack(receipt));
  OK(mb_port_close(port));
}

static void bad_arguments_are_named(void) {
  mb_port *port = make_port("arguments", 4);
  mb_receipt *receipt, *none = MISALIGNED(mb_receipt *);
  mb_header header;
  char buffer[10];
  size_t taken = 99;
  SENDS(port, "hello");
  INVALID("port is NULL", mb_port_take(NULL, MB_TRY, &none));
  INVALID("port is misaligned", mb_port_take(MISALIGNED(mb_port *), MB_TRY, &none));
  INVALID("receipt is NULL", mb_port_take(port, MB_TRY, NULL));
  INVALID("receipt is misaligned", mb_port_take(port, MB_TRY, MISALIGNED(mb_receipt **)));
  INVALID("timeout_ns", mb_port_take(port, -2, &none));
  INVALID("port is NULL", mb_port_take_many(NULL, MB_TRY, &none, 1, &taken));
  INVALID("receipts is NULL", mb_port_take_many(port, MB_TRY, NULL, 1, &taken));
  INVALID("max is 0", mb_port_take_many(port, MB_TRY, &none, 0, &taken));
  INVALID("taken is NULL", mb_port_take_many(port, MB_TRY, &none, 1, NULL));
  INVALID("timeout_ns", mb_port_take_many(port, -2, &none, 1, &taken));
  CHECK(none == MISALIGNED(mb_receipt *) && taken == 99 && mb_port_queued(port) == 1);
  receipt = take(port);
  CHECK(mb_receipt_data(NULL) == NULL);
  SAYS("receipt is NULL");
  CHECK(mb_receipt_data(none) == NULL);
  SAYS("receipt is misaligned");
  CHECK(mb_receipt_length(NULL) == 0);
  SAYS("receipt is NULL");
  INVALID("receipt is NULL", mb_receipt_header(NULL, &header));
  INVALID("header is NULL", mb_receipt_header(receipt, NULL));
  INVALID("header is misaligned", mb_receipt_header(receipt, MISALIGNED(mb_header *)));
  INVALID("receipt is NULL", mb_receipt_copy(NULL, 0, buffer, 1));
  INVALID("buffer is NULL", mb_receipt_copy(receipt, 0, NULL, 1));
  INVALID("5 bytes", mb_receipt_copy(receipt, 0, buffer, 6));
  INVALID("5 bytes", mb_receipt_copy(receipt, UINT64_MAX, buffer, 2));
  INVALID("receipt is NULL", mb_receipt_ack(NULL));
  INVALID("receipt is misaligned", mb_receipt_ack(none));
  INVALID("receipt is NULL", mb_receipt_nack(NULL));
  INVALID("receipt is misaligned", mb_receipt_nack(none));
  OK(mb_receipt_ack(receipt)); /* it was never touched by all that */
  end_port(port, "arguments");
}

int main(void) {
  RUN(read_in_place_and_acknowledged);
  RUN(empty_bodies_have_an_address);
  RUN(given_back_comes_again_flagged);
  RUN(messages_in_hand_are_nobody_elses);
  RUN(several_at_once);
  RUN(outlives_the_handle);
  RUN(of_a_deleted_port);
  RUN(bad_arguments_are_named);
  return 0;
}
