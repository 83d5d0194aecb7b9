/* After fork(): handles attach by themselves, loans and receipts stay the parent's; and what a
 * child that is killed leaves. */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a function in a child, which must succeed. */
static void in_child(void (*run)(void *), void *argument) {
  int status = 0;
  pid_t child;
  fflush(NULL);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    run(argument);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static uint64_t task(void) {
  mb_domain *domain = NULL;
  uint64_t id = 0;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_task(domain, &id));
  OK(mb_domain_close(domain));
  return id;
}

static void talk(void *port) {
  const uint64_t own = task();
  RECEIVES((mb_port *)port, "for the child");
  OK(mb_port_send_message((mb_port *)port, &own, sizeof own, 1, MB_FOREVER, NULL));
}

static void the_childs_handle_attaches_by_itself(void) {
  mb_port *port = make_port("attaches", 4);
  const uint64_t parent = task();
  uint64_t child = 0;
  mb_header header;
  SENDS(port, "for the child");
  in_child(talk, port);
  OK(mb_port_receive_message(port, &child, sizeof child, MB_TRY, &header));
  CHECK(header.sender == child && child != parent); /* a task of its own */
  CHECK(task() == parent);
  SENDS(port, "the parent goes on");
  RECEIVES(port, "the parent goes on");
  end_port(port, "attaches");
}

struct hands {
  mb_loan *loan;
  mb_receipt *acknowledged, *given_back;
};

static void meddle(void *argument) {
  struct hands *hands = (struct hands *)argument;
  uint64_t id = 99;
  CHECK(mb_receipt_length(hands->acknowledged) == 3);
  EXPECT(MB_FORKED, mb_loan_write(hands->loan, 0, "child", 5));
  EXPECT(MB_FORKED, mb_loan_commit(hands->loan, 5, 0, MB_TRY, &id));
  CHECK(id == 99);
  OK(mb_loan_discard(hands->loan)); /* the child's handle only */
  EXPECT(MB_FORKED, mb_receipt_ack(hands->acknowledged));
  EXPECT(MB_FORKED, mb_receipt_nack(hands->given_back));
}

static void loans_and_receipts_stay_the_parents(void) {
  mb_port *port = make_port("parents", 4);
  struct hands hands;
  mb_receipt *none = NULL;
  SENDS(port, "one");
  SENDS(port, "two");
  OK(mb_port_take(port, MB_TRY, &hands.acknowledged));
  OK(mb_port_take(port, MB_TRY, &hands.given_back));
  OK(mb_port_loan(port, 5, MB_TRY, &hands.loan));
  memcpy(mb_loan_data(hands.loan), "three", 5);
  in_child(meddle, &hands);
  EXPECT(MB_EMPTY, mb_port_take(port, MB_TRY, &none));
  CHECK(memcmp(mb_receipt_data(hands.acknowledged), "one", 3) == 0);
  OK(mb_receipt_ack(hands.acknowledged));
  OK(mb_receipt_nack(hands.given_back));
  RECEIVES(port, "two");
  OK(mb_loan_commit(hands.loan, 5, 0, MB_TRY, NULL));
  RECEIVES(port, "three");
  end_port(port, "parents");
}

static void close_it(void *port) { OK(mb_port_close((mb_port *)port)); }

static void a_child_that_closes_leaves_the_parents_port(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *port = NULL;
  options.flags = MB_PORT_OWNED_BY_TASK;
  OK(mb_port_create("owned", &options, &port));
  in_child(close_it, port);
  CHECK(!mb_port_is_closed(port));
  SENDS(port, "still");
  RECEIVES(port, "still");
  OK(mb_port_close(port));
}

static void write_there(void *segment) { OK(mb_segment_write((mb_segment *)segment, 0, "child", 5)); }

static void segments_are_shared_with_the_child(void) {
  mb_segment *segment = NULL;
  OK(mb_segment_create("segment", 100, NULL, &segment));
  in_child(write_there, segment);
  CHECK(memcmp(mb_segment_address(segment), "child", 5) == 0);
  OK(mb_segment_close(segment));
  OK(mb_segment_delete("segment"));
}

/* Runs a function in a child until it says that it is ready, then kills it. */
static void kill_when_ready(void (*run)(mb_port *), mb_port *port) {
  int pipes[2], status = 0;
  char ready = 0;
  pid_t child;
  CHECK(pipe(pipes) == 0);
  fflush(NULL);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    run(port);
    CHECK(write(pipes[1], "r", 1) == 1);
    for (;;) pause();
  }
  CHECK(close(pipes[1]) == 0);
  CHECK(read(pipes[0], &ready, 1) == 1 && ready == 'r');
  CHECK(close(pipes[0]) == 0);
  CHECK(kill(child, SIGKILL) == 0);
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

static void hold_two(mb_port *port) {
  mb_receipt *receipt = NULL;
  OK(mb_port_take(port, MB_TRY, &receipt));
  OK(mb_port_take(port, MB_TRY, &receipt));
}

static void a_killed_receiver_gives_back_what_it_had(void) {
  mb_port *port = make_port("killed-receiver", 8);
  mb_port_stats stats = MB_PORT_STATS_INIT;
  mb_header header;
  char buffer[10];
  SENDS(port, "1");
  SENDS(port, "2");
  SENDS(port, "3");
  kill_when_ready(hold_two, port);
  for (int i = 0; i < 3; i++) {
    OK(mb_port_receive_message(port, buffer, sizeof buffer, 10 * SECOND, &header));
    /* The third was never in the child's hands; it may come before the death is noticed. */
    CHECK(header.redeliveries == (buffer[0] == '3' ? 0u : 1u));
    CHECK((header.flags & MB_MESSAGE_REDELIVERED) == header.redeliveries);
  }
  EXPECT(MB_EMPTY, mb_port_receive_message(port, buffer, sizeof buffer, MB_TRY, &header));
  OK(mb_port_stat(port, &stats));
  CHECK(stats.deaths == 1 && stats.redelivered == 2 && stats.in_hand == 0);
  end_port(port, "killed-receiver");
}

static void send_and_borrow(mb_port *port) {
  mb_loan *loan = NULL;
  SENDS(port, "sent before death");
  while (mb_port_loan(port, 10, MB_TRY, &loan) == MB_OK) {
  }
}

static void a_killed_sender_leaves_what_it_sent(void) {
  mb_port *port = make_port("killed-sender", 4);
  mb_port_stats stats = MB_PORT_STATS_INIT;
  mb_loan *loan = NULL;
  kill_when_ready(send_and_borrow, port);
  RECEIVES(port, "sent before death");
  /* All buffers were on loan to the dead: they come back. */
  OK(mb_port_loan(port, 10, 10 * SECOND, &loan));
  OK(mb_loan_discard(loan));
  OK(mb_port_stat(port, &stats));
  CHECK(stats.loaned == 0 && stats.deaths == 1);
  end_port(port, "killed-sender");
}

static void take_over(void *port) {
  char buffer[10];
  mb_header header;
  OK(mb_port_receive_message((mb_port *)port, buffer, sizeof buffer, 10 * SECOND, &header));
  CHECK(header.redeliveries == 1);
}

/* The descriptor that holds this process's lease: of those of the roster, the one that meets no
 * lock, because the lock is its own. */
static int lease_descriptor(void) {
  for (int descriptor = 3; descriptor < 1000; descriptor++) {
    char link[40], target[500];
    struct flock lock;
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = '\0';
    if (strstr(target, "/.roster") == NULL) continue;
    if (strncmp(target, getenv("MAILBOAT_DOMAIN"), strlen(getenv("MAILBOAT_DOMAIN")))) continue;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    CHECK(fcntl(descriptor, F_OFD_GETLK, &lock) == 0);
    if (lock.l_type == F_UNLCK) return descriptor;
  }
  CHECK(!"a descriptor that holds the lease");
  return -1;
}

static void closing_the_librarys_descriptor_loses_the_lease(void) {
  mb_port *port = make_port("lease", 4);
  mb_receipt *receipt = NULL;
  mb_domain *domain = NULL;
  const uint64_t before = task();
  OK(mb_domain_open(NULL, &domain));
  SENDS(port, "x");
  OK(mb_port_take(port, MB_TRY, &receipt));
  CHECK(close(lease_descriptor()) == 0);
  in_child(take_over, port); /* to the child, the parent looks dead */
  EXPECT(MB_LEASE_LOST, mb_receipt_ack(receipt));
  SAYS("lease");
  SENDS(port, "again"); /* as a new task */
  RECEIVES(port, "again");
  CHECK(task() != before);
  OK(mb_domain_close(domain));
  end_port(port, "lease");
}

static void join_too(void *path) {
  mb_domain *domain = NULL;
  EXPECT(MB_TOO_MANY, mb_domain_open((const char *)path, &domain));
  SAYS("max_tasks");
}

static void too_many_tasks(void) {
  char path[500];
  mb_domain_options options = MB_DOMAIN_OPTIONS_INIT;
  mb_domain *domain = NULL;
  snprintf(path, sizeof path, "%s-crowded", getenv("MAILBOAT_DOMAIN"));
  options.location = path;
  options.max_tasks = 1;
  OK(mb_domain_open_with(&options, &domain));
  in_child(join_too, path);
  OK(mb_domain_close(domain));
}

static void own_a_port(mb_port *unused) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *port = NULL;
  (void)unused;
  options.flags = MB_PORT_OWNED_BY_TASK;
  OK(mb_port_create("of-the-dead", &options, &port));
  SENDS(port, "x");
}

static void a_killed_owners_port_goes_with_it(void) {
  mb_port *port = NULL;
  kill_when_ready(own_a_port, NULL);
  EXPECT(MB_NOT_FOUND, mb_port_open("of-the-dead", &port));
  port = make_port("of-the-dead", 1);
  CHECK(mb_port_queued(port) == 0);
  end_port(port, "of-the-dead");
}

int main(void) {
  RUN(the_childs_handle_attaches_by_itself);
  RUN(loans_and_receipts_stay_the_parents);
  RUN(a_child_that_closes_leaves_the_parents_port);
  RUN(segments_are_shared_with_the_child);
  RUN(a_killed_receiver_gives_back_what_it_had);
  RUN(a_killed_sender_leaves_what_it_sent);
  RUN(a_killed_owners_port_goes_with_it);
  RUN(too_many_tasks);
  RUN(closing_the_librarys_descriptor_loses_the_lease);
  return 0;
}
