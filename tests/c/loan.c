/* Loans: messages written in place. */
#include "harness.h"

static mb_loan *borrow(mb_port *port, uint64_t size) {
  mb_loan *loan = NULL;
  OK(mb_port_loan(port, size, MB_TRY, &loan));
  CHECK(loan != NULL && mb_loan_capacity(loan) == size);
  CHECK(mb_loan_data(loan) != NULL && (uintptr_t)mb_loan_data(loan) % 64 == 0);
  return loan;
}

static void written_in_place_and_sent(void) {
  mb_port *port = make_port("in-place", 4);
  static const uint64_t sizes[] = {0, 1, 100, 192, 193, 5000, 1 << 20};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    mb_loan *loan = borrow(port, sizes[i]);
    mb_receipt *receipt = NULL;
    mb_header header;
    uint64_t id = 0;
    memset(mb_loan_data(loan), (int)i + 1, (size_t)sizes[i]);
    CHECK(mb_port_queued(port) == 0); /* not sent yet */
    OK(mb_loan_commit(loan, sizes[i], 7, MB_TRY, &id));
    OK(mb_port_take(port, MB_TRY, &receipt));
    OK(mb_receipt_header(receipt, &header));
    CHECK(header.length == sizes[i] && header.kind == 7 && header.id == id);
    for (size_t at = 0; at < sizes[i]; at++) {
      CHECK(((const unsigned char *)mb_receipt_data(receipt))[at] == i + 1);
    }
    OK(mb_receipt_ack(receipt));
  }
  end_port(port, "in-place");
}

static void less_than_was_borrowed(void) {
  mb_port *port = make_port("less", 4);
  mb_loan *loan = borrow(port, 1000);
  OK(mb_loan_write(loan, 0, "hello", 5));
  OK(mb_loan_write(loan, 5, " there", 6));
  OK(mb_loan_write(loan, 1000, NULL, 0));
  OK(mb_loan_commit(loan, 11, 0, MB_TRY, NULL)); /* the id is not wanted */
  RECEIVES(port, "hello there");
  end_port(port, "less");
}

static void discarded(void) {
  mb_port *port = make_port("discarded", 1);
  for (int i = 0; i < 100; i++) OK(mb_loan_discard(borrow(port, 300))); /* memory comes back */
  CHECK(mb_port_queued(port) == 0);
  SENDS(port, "room");
  RECEIVES(port, "room");
  end_port(port, "discarded");
}

static void a_failed_commit_leaves_the_loan(void) {
  mb_port *port = make_port("failed", 1);
  mb_loan *loan = NULL;
  uint64_t id = 99;
  mb_status status = mb_port_loan(port, 10, MB_TRY, &loan);
  CHECK(status == MB_OK);
  memcpy(mb_loan_data(loan), "0123456789", 10);
  EXPECT(MB_INVALID, mb_loan_commit(loan, 11, 0, MB_TRY, &id));
  SAYS("11");
  INVALID("timeout_ns", mb_loan_commit(loan, 10, 0, -2, &id));
  INVALID("id is misaligned", mb_loan_commit(loan, 10, 0, MB_TRY, MISALIGNED(uint64_t *)));
  SENDS(port, "first");
  EXPECT(MB_FULL, mb_loan_commit(loan, 10, 0, MB_TRY, &id));
  EXPECT(MB_TIMEOUT, mb_loan_commit(loan, 10, 0, MILLISECOND, &id));
  CHECK(id == 99);
  CHECK(memcmp(mb_loan_data(loan), "0123456789", 10) == 0);
  RECEIVES(port, "first");
  OK(mb_loan_commit(loan, 10, 0, MB_FOREVER, &id));
  CHECK(id != 99);
  RECEIVES(port, "0123456789");
  end_port(port, "failed");
}

static void outlives_the_handle(void) {
  mb_port *port = make_port("handle", 4);
  mb_loan *loan = borrow(port, 5);
  OK(mb_port_close(port));
  memcpy(mb_loan_data(loan), "after", 5);
  OK(mb_loan_commit(loan, 5, 0, MB_TRY, NULL));
  OK(mb_port_open("handle", &port));
  RECEIVES(port, "after");
  end_port(port, "handle");
}

static void of_a_deleted_port(void) {
  mb_port *port = make_port("deleted", 4);
  mb_loan *loan = borrow(port, 5);
  OK(mb_port_delete("deleted"));
  EXPECT(MB_CLOSED, mb_loan_commit(loan, 5, 0, MB_FOREVER, NULL));
  memset(mb_loan_data(loan), 0, 5); /* still the caller's */
  OK(mb_loan_discard(loan));
  OK(mb_port_close(port));
}

static void loans_are_limited(void) {
  /* However many buffers there are beyond the capacity, they come to an end, and the refusal says
   * so; giving one up makes room again. */
  mb_port *port = make_port("limited", 2);
  mb_loan *loans[1000];
  size_t count = 0;
  mb_status status;
  while ((status = mb_port_loan(port, 10, MB_TRY, &loans[count])) == MB_OK) {
    CHECK(++count < 1000);
  }
  CHECK(status == MB_FULL && count >= 2);
  SAYS("buffers");
  EXPECT(MB_TIMEOUT, mb_port_loan(port, 10, MILLISECOND, &loans[count]));
  OK(mb_loan_discard(loans[--count]));
  OK(mb_port_loan(port, 10, MB_TRY, &loans[count++]));
  while (count > 0) OK(mb_loan_discard(loans[--count]));
  end_port(port, "limited");
}

static void bad_arguments_are_named(void) {
  mb_port *port = make_port("arguments", 4);
  mb_loan *loan = MISALIGNED(mb_loan *), *good = borrow(port, 10);
  INVALID("port is NULL", mb_port_loan(NULL, 1, MB_TRY, &loan));
  INVALID("port is misaligned", mb_port_loan(MISALIGNED(mb_port *), 1, MB_TRY, &loan));
  INVALID("loan is NULL", mb_port_loan(port, 1, MB_TRY, NULL));
  INVALID("loan is misaligned", mb_port_loan(port, 1, MB_TRY, MISALIGNED(mb_loan **)));
  INVALID("timeout_ns", mb_port_loan(port, 1, -3, &loan));
  CHECK(loan == MISALIGNED(mb_loan *));
  CHECK(mb_loan_data(NULL) == NULL);
  SAYS("loan is NULL");
  CHECK(mb_loan_data(loan) == NULL);
  SAYS("loan is misaligned");
  CHECK(mb_loan_capacity(NULL) == 0);
  SAYS("loan is NULL");
  INVALID("loan is NULL", mb_loan_write(NULL, 0, "x", 1));
  INVALID("data is NULL", mb_loan_write(good, 0, NULL, 1));
  INVALID("10 bytes", mb_loan_write(good, 5, "123456", 6));
  INVALID("10 bytes", mb_loan_write(good, UINT64_MAX, "123456", 6));
  INVALID("10 bytes", mb_loan_write(good, 11, "", 0));
  INVALID("loan is NULL", mb_loan_commit(NULL, 0, 0, MB_TRY, NULL));
  INVALID("loan is misaligned", mb_loan_commit(loan, 0, 0, MB_TRY, NULL));
  INVALID("loan is NULL", mb_loan_discard(NULL));
  INVALID("loan is misaligned", mb_loan_discard(loan));
  OK(mb_loan_discard(good));
  end_port(port, "arguments");
}

int main(void) {
  RUN(written_in_place_and_sent);
  RUN(less_than_was_borrowed);
  RUN(discarded);
  RUN(a_failed_commit_leaves_the_loan);
  RUN(outlives_the_handle);
  RUN(of_a_deleted_port);
  RUN(loans_are_limited);
  RUN(bad_arguments_are_named);
  return 0;
}
