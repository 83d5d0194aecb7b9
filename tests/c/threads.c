/* One handle in many threads, waiting threads, and signals. */
#include "harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

enum { SENDERS = 3, RECEIVERS = 3, EACH = 5000 };

struct total {
  mb_port *port;
  uint64_t number; /* which sender */
  uint64_t sum, count;
};

static void *sender(void *argument) {
  struct total *total = (struct total *)argument;
  for (uint64_t i = 1; i <= EACH; i++) {
    const uint64_t value = i * SENDERS + total->number;
    OK(mb_port_send(total->port, &value, sizeof value, MB_FOREVER));
    total->sum += value;
    total->count++;
  }
  return NULL;
}

static void *receiver(void *argument) {
  struct total *total = (struct total *)argument;
  for (;;) {
    uint64_t value = 0;
    size_t length = 0;
    OK(mb_port_receive(total->port, &value, sizeof value, &length, MB_FOREVER));
    if (length == 0) return NULL; /* the end */
    CHECK(length == sizeof value);
    total->sum += value;
    total->count++;
  }
}

static void *taker(void *argument) {
  struct total *total = (struct total *)argument;
  for (;;) {
    uint64_t value = 0;
    mb_receipt *receipts[8];
    size_t taken = 0, ends = 0;
    OK(mb_port_take_many(total->port, MB_FOREVER, receipts, 8, &taken));
    for (size_t i = 0; i < taken; i++) {
      if (mb_receipt_length(receipts[i]) == 0) {
        /* One end is this thread's; the others are given back to theirs. */
        if (ends++ == 0) {
          OK(mb_receipt_ack(receipts[i]));
        } else {
          OK(mb_receipt_nack(receipts[i]));
        }
        continue;
      }
      OK(mb_receipt_copy(receipts[i], 0, &value, sizeof value));
      total->sum += value;
      total->count++;
      OK(mb_receipt_ack(receipts[i]));
    }
    if (ends > 0) return NULL;
  }
}

static void many_to_many(const char *name, void *(*receive)(void *)) {
  mb_port *port = make_port(name, 16);
  pthread_t senders[SENDERS], receivers[RECEIVERS];
  struct total out[SENDERS], in[RECEIVERS];
  uint64_t sum = 0, count = 0;
  memset(out, 0, sizeof out);
  memset(in, 0, sizeof in);
  for (uint64_t i = 0; i < SENDERS; i++) {
    out[i].port = port, out[i].number = i;
    CHECK(pthread_create(&senders[i], NULL, sender, &out[i]) == 0);
  }
  for (int i = 0; i < RECEIVERS; i++) {
    in[i].port = port;
    CHECK(pthread_create(&receivers[i], NULL, receive, &in[i]) == 0);
  }
  for (int i = 0; i < SENDERS; i++) {
    CHECK(pthread_join(senders[i], NULL) == 0);
    sum += out[i].sum, count += out[i].count;
  }
  for (int i = 0; i < RECEIVERS; i++) OK(mb_port_send(port, NULL, 0, MB_FOREVER));
  for (int i = 0; i < RECEIVERS; i++) {
    CHECK(pthread_join(receivers[i], NULL) == 0);
    sum -= in[i].sum, count -= in[i].count;
  }
  CHECK(sum == 0 && count == 0 && mb_port_queued(port) == 0);
  end_port(port, name);
}

static void one_handle_many_threads(void) { many_to_many("threads", receiver); }
static void batches_of_receipts(void) { many_to_many("receipts", taker); }

static void *send_one(void *port) {
  SENDS((mb_port *)port, "at last");
  return NULL;
}

static void a_message_ends_the_waiting(void) {
  mb_port *port = make_port("wakes", 1);
  pthread_t thread;
  char buffer[10];
  size_t length = 0;
  CHECK(pthread_create(&thread, NULL, send_one, port) == 0);
  OK(mb_port_receive(port, buffer, sizeof buffer, &length, MB_FOREVER));
  CHECK(length == 7);
  CHECK(pthread_join(thread, NULL) == 0);
  SENDS(port, "full");
  CHECK(pthread_create(&thread, NULL, send_one, port) == 0);
  RECEIVES(port, "full");
  CHECK(pthread_join(thread, NULL) == 0);
  RECEIVES(port, "at last");
  end_port(port, "wakes");
}

static volatile sig_atomic_t signals;

static void count_signal(int number) {
  (void)number;
  signals++;
}

static void signals_end_the_waiting_only_where_asked_for(void) {
  mb_port *port = make_port("signals", 1);
  const struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  struct sigaction action;
  mb_loan *loan = NULL;
  mb_receipt *receipt = NULL;
  char buffer[10];
  size_t length = 99;
  mb_status status;
  memset(&action, 0, sizeof action);
  action.sa_handler = count_signal;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);

  EXPECT(MB_TIMEOUT, mb_port_receive(port, buffer, sizeof buffer, &length, SECOND / 5));
  CHECK(signals > 0); /* some came, and the waiting went on */

  OK(mb_port_set_interruptible(port, 1));
  signals = 0;
  do {
    status = mb_port_receive(port, buffer, sizeof buffer, &length, 60 * SECOND);
  } while (status == MB_INTERRUPTED && signals == 0);
  EXPECT(MB_INTERRUPTED, status);
  EXPECT(MB_INTERRUPTED, mb_port_take(port, 60 * SECOND, &receipt));
  CHECK(length == 99);
  OK(mb_port_loan(port, 1, MB_TRY, &loan)); /* it keeps the setting of its port's handle */
  SENDS(port, "");
  EXPECT(MB_INTERRUPTED, mb_port_send(port, "x", 1, 60 * SECOND));
  EXPECT(MB_INTERRUPTED, mb_loan_commit(loan, 1, 0, 60 * SECOND, NULL));
  OK(mb_loan_discard(loan)); /* still the caller's */
  CHECK(mb_port_queued(port) == 1);

  OK(mb_port_set_interruptible(port, 0));
  EXPECT(MB_TIMEOUT, mb_port_send(port, "x", 1, SECOND / 5));
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  end_port(port, "signals");
}

int main(void) {
  RUN(one_handle_many_threads);
  RUN(batches_of_receipts);
  RUN(a_message_ends_the_waiting);
  RUN(signals_end_the_waiting_only_where_asked_for);
  return 0;
}
