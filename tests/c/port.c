/* Ports: making, opening, deleting, options, figures. */
#include "harness.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_example_of_the_manual(void) {
  char buffer[100];
  size_t length;
  mb_port *orders;
  OK(mb_port_create("orders", NULL, &orders));
  OK(mb_port_send(orders, "hello", 5, MB_FOREVER));
  OK(mb_port_receive(orders, buffer, sizeof buffer, &length, MB_FOREVER));
  CHECK(length == 5 && memcmp(buffer, "hello", 5) == 0);
  OK(mb_port_close(orders));
  OK(mb_port_delete("orders"));
}

static void defaults(void) {
  mb_port *port = NULL;
  OK(mb_port_create("defaults", NULL, &port));
  CHECK(strcmp(mb_port_name(port), "defaults") == 0);
  CHECK(strstr(mb_port_label(port), "defaults") != NULL);
  CHECK(mb_port_capacity(port) == 1024);
  CHECK(mb_port_max_message(port) == 16 << 20);
  CHECK(mb_port_queued(port) == 0);
  CHECK(!mb_port_is_closed(port));
  end_port(port, "defaults");
}

static void options_count(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port_stats stats = MB_PORT_STATS_INIT;
  mb_port *port = NULL;
  uint64_t task = 0;
  mb_domain *domain = NULL;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_task(domain, &task));
  options.capacity = 3;
  options.max_users = 4;
  options.max_message = 100000;
  options.byte_budget = 1 << 20;
  options.flags = MB_PORT_OWNED_BY_TASK | MB_PORT_TIMESTAMPS;
  options.mode = 0640;
  OK(mb_port_create("options", &options, &port));
  CHECK(mb_port_capacity(port) == 3 && mb_port_max_message(port) == 100000);
  OK(mb_port_stat(port, &stats));
  CHECK(stats.size == sizeof stats);
  CHECK(stats.capacity == 3 && stats.max_users == 4 && stats.max_message == 100000);
  CHECK(stats.byte_budget >= 1 << 20);
  CHECK(stats.flags == (MB_PORT_OWNED_BY_TASK | MB_PORT_TIMESTAMPS));
  CHECK(stats.mode == 0640 && stats.uid == getuid() && stats.owner == task);
  CHECK(stats.users == 1 && stats.file_bytes > 0);
  OK(mb_port_close(port));
  OK(mb_domain_close(domain));
}

static void options_of_other_versions(void) {
  struct {
    mb_port_options options;
    uint64_t later;
  } longer = {MB_PORT_OPTIONS_INIT, 0};
  mb_port *port = MISALIGNED(mb_port *);
  longer.options.size = sizeof longer;
  longer.later = 1;
  INVALID("does not know", mb_port_create("longer", &longer.options, &port));
  CHECK(port == MISALIGNED(mb_port *));
  longer.later = 0;
  OK(mb_port_create("longer", &longer.options, &port));
  end_port(port, "longer");
}

static void bad_options_are_refused(void) {
  const mb_port_options good = MB_PORT_OPTIONS_INIT;
  mb_port_options bad;
  mb_port *port = MISALIGNED(mb_port *);
  bad = good, bad.size = 0;
  INVALID("size", mb_port_create("bad", &bad, &port));
  bad = good, bad.size = sizeof bad - 8;
  INVALID("mb_port_options", mb_port_create("bad", &bad, &port));
  bad = good, bad.size = (size_t)-1;
  INVALID("size", mb_port_create("bad", &bad, &port));
  bad = good, bad.flags = 4;
  INVALID("flags", mb_port_create("bad", &bad, &port));
  bad = good, bad.flags = 0x80000000u | MB_PORT_TIMESTAMPS;
  INVALID("0x80000000", mb_port_open_or_create("bad", &bad, &port));
  bad = good, bad.capacity = (1u << 26) + 1;
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  SAYS("67108865");
  bad = good, bad.capacity = UINT32_MAX;
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  bad = good, bad.max_message = ((uint64_t)1 << 40) + 1;
  {
    EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
    SAYS("1099511627777");
  }
  bad = good, bad.max_message = UINT64_MAX;
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  bad = good, bad.byte_budget = 1000; /* less than one message of the largest size */
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  SAYS("1000");
  bad = good, bad.max_users = 5000;
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  SAYS("5000");
  bad = good, bad.mode = 0170000;
  EXPECT(MB_INVALID, mb_port_create("bad", &bad, &port));
  INVALID("misaligned", mb_port_create("bad", MISALIGNED(mb_port_options *), &port));
  CHECK(port == MISALIGNED(mb_port *));
  EXPECT(MB_NOT_FOUND, mb_port_open("bad", &port)); /* none of them left anything */
}

static void bad_names_are_refused(void) {
  char longest[202];
  static const char *const bad[] = {"",    ".",    "..",    "-a",   "_a",  ".hidden",
                                    "a/b", "a b",  "a\n",   "../a", "a\\", "\xc3\xa4",
                                    "a*",  "a\xff", "/tmp/a"};
  mb_port *port = MISALIGNED(mb_port *);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    EXPECT(MB_BAD_NAME, mb_port_create(bad[i], NULL, &port));
    EXPECT(MB_BAD_NAME, mb_port_open(bad[i], &port));
    EXPECT(MB_BAD_NAME, mb_port_open_or_create(bad[i], NULL, &port));
    EXPECT(MB_BAD_NAME, mb_port_delete(bad[i]));
  }
  memset(longest, 'x', sizeof longest);
  longest[201] = '\0';
  EXPECT(MB_BAD_NAME, mb_port_create(longest, NULL, &port));
  SAYS("201");
  CHECK(port == MISALIGNED(mb_port *));
  longest[200] = '\0';
  OK(mb_port_create(longest, NULL, &port));
  end_port(port, longest);
}

static void absent_and_existing(void) {
  mb_port *port = MISALIGNED(mb_port *), *same = NULL;
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  EXPECT(MB_NOT_FOUND, mb_port_open("absent", &port));
  SAYS("absent");
  EXPECT(MB_NOT_FOUND, mb_port_delete("absent"));
  CHECK(port == MISALIGNED(mb_port *));
  options.capacity = 5;
  OK(mb_port_open_or_create("there", &options, &port));
  CHECK(mb_port_capacity(port) == 5);
  EXPECT(MB_ALREADY_EXISTS, mb_port_create("there", NULL, &same));
  SAYS("there");
  options.capacity = 6;
  OK(mb_port_open_or_create("there", &options, &same)); /* taken as it is */
  CHECK(mb_port_capacity(same) == 5);
  SENDS(port, "x");
  RECEIVES(same, "x");
  OK(mb_port_close(same));
  OK(mb_port_open("there", &same));
  OK(mb_port_close(same));
  end_port(port, "there");
}

static void a_segment_is_not_a_port(void) {
  mb_segment *segment = NULL;
  mb_port *port = NULL;
  OK(mb_segment_create("not-a-port", 4096, NULL, &segment)); /* names of their own */
  EXPECT(MB_NOT_FOUND, mb_port_open("not-a-port", &port));
  EXPECT(MB_NOT_FOUND, mb_port_delete("not-a-port"));
  OK(mb_segment_close(segment));
  OK(mb_segment_delete("not-a-port"));
}

static void messages_outlive_their_senders_handle(void) {
  mb_port *port = make_port("outlive", 4);
  SENDS(port, "still here");
  OK(mb_port_close(port));
  OK(mb_port_open("outlive", &port));
  CHECK(mb_port_queued(port) == 1);
  RECEIVES(port, "still here");
  end_port(port, "outlive");
}

static void deleted_ports_are_closed_for_their_users(void) {
  mb_port *port = make_port("deleted", 4);
  mb_port_stats stats = MB_PORT_STATS_INIT;
  char buffer[10];
  size_t length;
  mb_loan *loan = NULL;
  mb_receipt *receipt = NULL;
  SENDS(port, "gone");
  OK(mb_port_delete("deleted"));
  CHECK(mb_port_is_closed(port));
  EXPECT(MB_CLOSED, mb_port_send(port, "x", 1, MB_FOREVER));
  SAYS("deleted");
  EXPECT(MB_CLOSED, mb_port_receive(port, buffer, sizeof buffer, &length, MB_FOREVER));
  EXPECT(MB_CLOSED, mb_port_take(port, MB_TRY, &receipt));
  EXPECT(MB_CLOSED, mb_port_loan(port, 1, MB_TRY, &loan));
  OK(mb_port_stat(port, &stats));
  CHECK((stats.flags & MB_PORT_CLOSED) != 0);
  OK(mb_port_close(port));
  EXPECT(MB_NOT_FOUND, mb_port_open("deleted", &port));
  port = make_port("deleted", 4); /* the name is free again */
  CHECK(mb_port_queued(port) == 0);
  end_port(port, "deleted");
}

static void *blocked_receiver(void *port) {
  char buffer[10];
  size_t length;
  EXPECT(MB_CLOSED, mb_port_receive((mb_port *)port, buffer, sizeof buffer, &length, MB_FOREVER));
  return NULL;
}

static void *blocked_sender(void *port) {
  EXPECT(MB_CLOSED, mb_port_send((mb_port *)port, "x", 1, MB_FOREVER));
  return NULL;
}

static void deletion_ends_the_waiting(void) {
  /* Whether the threads wait already or come later, the answer must be the same. */
  pthread_t receiver, sender;
  mb_port *empty = make_port("empty", 1), *full = make_port("full", 1);
  SENDS(full, "x");
  CHECK(pthread_create(&receiver, NULL, blocked_receiver, empty) == 0);
  CHECK(pthread_create(&sender, NULL, blocked_sender, full) == 0);
  OK(mb_port_delete("empty"));
  OK(mb_port_delete("full"));
  CHECK(pthread_join(receiver, NULL) == 0);
  CHECK(pthread_join(sender, NULL) == 0);
  OK(mb_port_close(empty));
  OK(mb_port_close(full));
}

static void a_port_owned_by_a_task_goes_with_the_handle_that_made_it(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *owner = NULL, *user = NULL;
  options.flags = MB_PORT_OWNED_BY_TASK;
  OK(mb_port_create("owned", &options, &owner));
  OK(mb_port_open("owned", &user));
  SENDS(user, "x");
  OK(mb_port_close(owner));
  EXPECT(MB_CLOSED, mb_port_send(user, "x", 1, MB_FOREVER));
  OK(mb_port_close(user));
  EXPECT(MB_NOT_FOUND, mb_port_open("owned", &user));
}

static void figures_follow_the_messages(void) {
  mb_port *port = make_port("figures", 10);
  mb_port_stats stats = MB_PORT_STATS_INIT;
  mb_receipt *receipt = NULL;
  mb_loan *loan = NULL;
  SENDS(port, "1");
  SENDS(port, "2");
  SENDS(port, "3");
  RECEIVES(port, "1");
  OK(mb_port_take(port, MB_TRY, &receipt));
  OK(mb_port_loan(port, 5, MB_TRY, &loan));
  OK(mb_port_stat(port, &stats));
  CHECK(stats.sent == 3 && stats.queued == 1 && stats.in_hand == 1 && stats.loaned == 1);
  CHECK(stats.given_back == 0 && stats.redelivered == 0 && stats.deaths == 0);
  CHECK(stats.flags == 0 && stats.owner == 0);
  OK(mb_receipt_nack(receipt));
  OK(mb_loan_discard(loan));
  OK(mb_port_stat(port, &stats));
  CHECK(stats.given_back == 1 && stats.in_hand == 0 && stats.loaned == 0);
  RECEIVES(port, "2");
  OK(mb_port_stat(port, &stats));
  CHECK(stats.given_back == 0 && stats.redelivered == 1 && stats.queued == 1);
  stats.size = 4;
  INVALID("mb_port_stats", mb_port_stat(port, &stats));
  end_port(port, "figures");
}

static void users_are_known(void) {
  mb_port *port = make_port("users", 10);
  mb_domain *domain = NULL;
  uint64_t id = 0, users[3] = {1, 1, 1};
  size_t count = 0;
  OK(mb_domain_open(NULL, &domain));
  OK(mb_domain_task(domain, &id));
  OK(mb_port_users(port, NULL, 0, &count));
  CHECK(count == 1);
  OK(mb_port_users(port, users, 3, &count));
  CHECK(count == 1 && users[0] == id && users[1] == 1);
  INVALID("tasks is NULL", mb_port_users(port, NULL, 3, &count));
  INVALID("tasks is misaligned", mb_port_users(port, MISALIGNED(uint64_t *), 3, &count));
  INVALID("count is NULL", mb_port_users(port, users, 3, NULL));
  INVALID("port is NULL", mb_port_users(NULL, users, 3, &count));
  OK(mb_domain_close(domain));
  end_port(port, "users");
}

static void too_many_users(void) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  mb_port *one = NULL, *two = NULL, *three = MISALIGNED(mb_port *);
  options.max_users = 2;
  OK(mb_port_create("crowded", &options, &one));
  OK(mb_port_open("crowded", &two));
  EXPECT(MB_TOO_MANY, mb_port_open("crowded", &three));
  SAYS("2 users");
  CHECK(three == MISALIGNED(mb_port *));
  OK(mb_port_close(two));
  OK(mb_port_open("crowded", &two));
  OK(mb_port_close(two));
  end_port(one, "crowded");
}

static void domains_keep_names_apart(void) {
  char path[500];
  mb_domain *other = NULL;
  mb_port *here = make_port("apart", 1), *there = NULL;
  snprintf(path, sizeof path, "%s-apart", getenv("MAILBOAT_DOMAIN"));
  OK(mb_domain_open(path, &other));
  EXPECT(MB_NOT_FOUND, mb_port_open_in(other, "apart", &there));
  OK(mb_port_create_in(other, "apart", NULL, &there));
  OK(mb_port_close(there));
  OK(mb_port_open_or_create_in(other, "apart", NULL, &there));
  OK(mb_domain_close(other)); /* the port keeps what it needs */
  SENDS(there, "there");
  CHECK(mb_port_queued(here) == 0);
  RECEIVES(there, "there");
  OK(mb_port_close(there));
  OK(mb_domain_open(path, &other));
  OK(mb_port_open_in(other, "apart", &there));
  OK(mb_port_close(there));
  OK(mb_port_delete_in(other, "apart"));
  EXPECT(MB_NOT_FOUND, mb_port_delete_in(other, "apart"));
  EXPECT(MB_BAD_NAME, mb_port_delete_in(other, "a/b"));
  INVALID("domain is NULL", mb_port_create_in(NULL, "apart", NULL, &there));
  INVALID("domain is NULL", mb_port_open_in(NULL, "apart", &there));
  INVALID("domain is NULL", mb_port_open_or_create_in(NULL, "apart", NULL, &there));
  INVALID("domain is NULL", mb_port_delete_in(NULL, "apart"));
  INVALID("name is NULL", mb_port_create_in(other, NULL, NULL, &there));
  INVALID("name is NULL", mb_port_open_in(other, NULL, &there));
  INVALID("name is NULL", mb_port_open_or_create_in(other, NULL, NULL, &there));
  INVALID("name is NULL", mb_port_delete_in(other, NULL));
  INVALID("port is NULL", mb_port_create_in(other, "apart", NULL, NULL));
  INVALID("port is NULL", mb_port_open_in(other, "apart", NULL));
  INVALID("port is NULL", mb_port_open_or_create_in(other, "apart", NULL, NULL));
  EXPECT(MB_NOT_FOUND, mb_port_open_in(other, "apart", &there));
  OK(mb_domain_close(other));
  end_port(here, "apart");
}

static void bad_arguments_are_named(void) {
  mb_port *port = make_port("named", 1);
  mb_port *const crooked = MISALIGNED(mb_port *);
  INVALID("name is NULL", mb_port_create(NULL, NULL, &port));
  INVALID("port is NULL", mb_port_create("x", NULL, NULL));
  INVALID("port is misaligned", mb_port_create("x", NULL, MISALIGNED(mb_port **)));
  INVALID("name is NULL", mb_port_open(NULL, &port));
  INVALID("port is NULL", mb_port_open("named", NULL));
  INVALID("name is NULL", mb_port_open_or_create(NULL, NULL, &port));
  INVALID("port is NULL", mb_port_open_or_create("x", NULL, NULL));
  INVALID("name is NULL", mb_port_delete(NULL));
  INVALID("port is NULL", mb_port_close(NULL));
  INVALID("port is misaligned", mb_port_close(crooked));
  CHECK(mb_port_name(NULL) == NULL);
  SAYS("port is NULL");
  CHECK(mb_port_name(crooked) == NULL);
  SAYS("port is misaligned");
  CHECK(mb_port_label(NULL) == NULL);
  SAYS("port is NULL");
  CHECK(mb_port_capacity(NULL) == 0);
  SAYS("port is NULL");
  CHECK(mb_port_max_message(NULL) == 0);
  SAYS("port is NULL");
  CHECK(mb_port_queued(NULL) == 0);
  SAYS("port is NULL");
  CHECK(!mb_port_is_closed(NULL));
  SAYS("port is NULL");
  INVALID("port is NULL", mb_port_set_interruptible(NULL, 1));
  INVALID("on is 2", mb_port_set_interruptible(port, 2));
  INVALID("on is -1", mb_port_set_interruptible(port, -1));
  INVALID("port is NULL", mb_port_stat(NULL, NULL));
  INVALID("stats is NULL", mb_port_stat(port, NULL));
  INVALID("misaligned", mb_port_stat(port, MISALIGNED(mb_port_stats *)));
  EXPECT(MB_NOT_FOUND, mb_port_delete("x")); /* nothing was made on the way */
  end_port(port, "named");
}

int main(void) {
  RUN(the_example_of_the_manual);
  RUN(defaults);
  RUN(options_count);
  RUN(options_of_other_versions);
  RUN(bad_options_are_refused);
  RUN(bad_names_are_refused);
  RUN(absent_and_existing);
  RUN(a_segment_is_not_a_port);
  RUN(messages_outlive_their_senders_handle);
  RUN(deleted_ports_are_closed_for_their_users);
  RUN(deletion_ends_the_waiting);
  RUN(a_port_owned_by_a_task_goes_with_the_handle_that_made_it);
  RUN(figures_follow_the_messages);
  RUN(users_are_known);
  RUN(too_many_users);
  RUN(domains_keep_names_apart);
  RUN(bad_arguments_are_named);
  return 0;
}
