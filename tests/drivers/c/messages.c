/* Ports and queues: making, sending, receiving. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mb_port_options port_options(const struct request *request) {
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  options.capacity = (uint32_t)number(request, "capacity", 0);
  options.max_users = (uint32_t)number(request, "max_users", 0);
  options.max_message = number(request, "max_message", 0);
  options.byte_budget = number(request, "byte_budget", 0);
  options.mode = (uint32_t)number(request, "mode", 0);
  if (number(request, "timestamps", 0) != 0) options.flags |= MB_PORT_TIMESTAMPS;
  const char *owner = get(request, "owner");
  if (owner != NULL && strcmp(owner, "task") == 0) options.flags |= MB_PORT_OWNED_BY_TASK;
  return options;
}

static void create(const struct request *request, struct answer *answer) {
  const mb_port_options options = port_options(request);
  const char *name = need(request, "name");
  mb_port *port;
  mb_status status = domain == NULL ? mb_port_create(name, &options, &port)
                                    : mb_port_create_in(domain, name, &options, &port);
  if (went_well(answer, status)) keep(HANDLE, need(request, "handle"), port);
}

static void open_port(const struct request *request, struct answer *answer) {
  const char *name = need(request, "name");
  mb_port *port;
  mb_status status =
      domain == NULL ? mb_port_open(name, &port) : mb_port_open_in(domain, name, &port);
  if (went_well(answer, status)) keep(HANDLE, need(request, "handle"), port);
}

static void open_or_create(const struct request *request, struct answer *answer) {
  const mb_port_options options = port_options(request);
  const char *name = need(request, "name");
  mb_port *port;
  mb_status status = domain == NULL ? mb_port_open_or_create(name, &options, &port)
                                    : mb_port_open_or_create_in(domain, name, &options, &port);
  if (went_well(answer, status)) keep(HANDLE, need(request, "handle"), port);
}

static void delete_port(const struct request *request, struct answer *answer) {
  const char *name = need(request, "name");
  went_well(answer, domain == NULL ? mb_port_delete(name) : mb_port_delete_in(domain, name));
}

static void close_port(const struct request *request, struct answer *answer) {
  went_well(answer, mb_port_close(take_out(HANDLE, need(request, "handle"))));
}

static mb_port *handle(const struct request *request) {
  return find(HANDLE, need(request, "handle"));
}

static void facts(const struct request *request, struct answer *answer) {
  const mb_port *port = handle(request);
  say_number(answer, "capacity", mb_port_capacity(port));
  say_number(answer, "max_message", mb_port_max_message(port));
  say_number(answer, "queued", mb_port_queued(port));
  say_number(answer, "closed", mb_port_is_closed(port));
}

static void say_users(const mb_port *port, struct answer *answer) {
  uint64_t tasks[64];
  size_t count;
  if (!went_well(answer, mb_port_users(port, tasks, 64, &count))) return;
  char text[64 * 21 + 1] = "";
  for (size_t i = 0; i < count && i < 64; ++i) {
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s%llu", i == 0 ? "" : ",",
             (unsigned long long)tasks[i]);
  }
  say(answer, "tasks", text);
}

static void stat(const struct request *request, struct answer *answer) {
  const mb_port *port = handle(request);
  mb_port_stats stats = MB_PORT_STATS_INIT;
  if (!went_well(answer, mb_port_stat(port, &stats))) return;
  if ((stats.flags & MB_PORT_IN_SEGMENT) == 0) {
    say(answer, "owner", (stats.flags & MB_PORT_OWNED_BY_TASK) != 0 ? "task" : "domain");
    say_number(answer, "owner_task", stats.owner);
    say_number(answer, "mode", stats.mode);
    say_number(answer, "uid", stats.uid);
    say_number(answer, "file_bytes", stats.file_bytes);
  }
  say_number(answer, "capacity", stats.capacity);
  say_number(answer, "queued", stats.queued);
  say_number(answer, "in_hand", stats.in_hand);
  say_number(answer, "loaned", stats.loaned);
  say_number(answer, "given_back", stats.given_back);
  say_number(answer, "max_message", stats.max_message);
  say_number(answer, "byte_budget", stats.byte_budget);
  say_number(answer, "bytes_committed", stats.bytes_committed);
  say_number(answer, "users", stats.users);
  say_number(answer, "max_users", stats.max_users);
  say_number(answer, "sent", stats.sent);
  say_number(answer, "received", stats.received);
  say_number(answer, "redelivered", stats.redelivered);
  say_number(answer, "deaths", stats.deaths);
  say_number(answer, "timestamps", (stats.flags & MB_PORT_TIMESTAMPS) != 0);
  say_number(answer, "closed", (stats.flags & MB_PORT_CLOSED) != 0);
  say_users(port, answer);
}

static void send_as(const struct request *request, struct answer *answer, int64_t wait) {
  const mb_port *port = handle(request);
  const struct bytes body = need_body(request);
  if (get(request, "kind") == NULL) {
    went_well(answer, mb_port_send(port, body.data, body.length, wait));
    return;
  }
  const uint32_t kind = (uint32_t)need_number(request, "kind");
  uint64_t id;
  if (went_well(answer, mb_port_send_message(port, body.data, body.length, kind, wait, &id))) {
    say_number(answer, "id", id);
  }
}

static void send_one(const struct request *request, struct answer *answer) {
  send_as(request, answer, wait_of(request));
}

static void try_send(const struct request *request, struct answer *answer) {
  send_as(request, answer, MB_TRY);
}

static void send_many(const struct request *request, struct answer *answer) {
  const size_t count = request->body_count;
  mb_outgoing *messages = calloc(count + 1, sizeof *messages);
  if (messages == NULL) die("no memory");
  for (size_t i = 0; i < count; ++i) {
    messages[i].data = request->bodies[i].data;
    messages[i].length = request->bodies[i].length;
    messages[i].kind = (uint32_t)number(request, "kind", 0);
  }
  size_t sent;
  if (went_well(answer,
                mb_port_send_many(handle(request), messages, count, wait_of(request), &sent))) {
    say_number(answer, "sent", sent);
  }
  free(messages);
}

static void say_header(struct answer *answer, const mb_header *header) {
  say_number(answer, "length", header->length);
  say_number(answer, "kind", header->kind);
  say_number(answer, "id", header->id);
  say_number(answer, "sender", header->sender);
  say_number(answer, "redeliveries", header->redeliveries);
  say_number(answer, "redelivered", (header->flags & MB_MESSAGE_REDELIVERED) != 0);
  if ((header->flags & MB_MESSAGE_TIMESTAMPED) != 0) {
    say_number(answer, "sent_ns", header->sent_ns);
  }
}

/* Into a buffer that is made larger when a message does not fit, as a program would do that does
 * not know how long messages are: a message that does not fit stays where it is. */
static void receive_as(const struct request *request, struct answer *answer, int64_t wait) {
  const mb_port *port = handle(request);
  const char *with_header = get(request, "header");
  const bool plain = with_header != NULL && strcmp(with_header, "0") == 0;
  size_t room = 4096;
  void *buffer = malloc(room);
  mb_header header;
  size_t length = 0;
  mb_status status;
  for (;;) {
    status = plain ? mb_port_receive(port, buffer, room, &length, wait)
                   : mb_port_receive_message(port, buffer, room, wait, &header);
    if (status != MB_TOO_LARGE || mb_last_error_bytes() <= room) break;
    room = mb_last_error_bytes();
    free(buffer);
    buffer = malloc(room);
    if (buffer == NULL) die("no memory");
  }
  if (went_well(answer, status)) {
    if (!plain) say_header(answer, &header);
    say_body(answer, buffer, plain ? length : header.length);
  }
  free(buffer);
}

static void receive(const struct request *request, struct answer *answer) {
  receive_as(request, answer, wait_of(request));
}

static void try_receive(const struct request *request, struct answer *answer) {
  receive_as(request, answer, MB_TRY);
}

static void receive_into(const struct request *request, struct answer *answer) {
  const size_t room = need_number(request, "room");
  /* No memory at all for no room, which must be fine. */
  void *buffer = room == 0 ? NULL : malloc(room);
  mb_header header;
  if (went_well(answer, mb_port_receive_message(handle(request), buffer, room, wait_of(request),
                                                &header))) {
    say_header(answer, &header);
    say_body(answer, buffer, header.length);
  }
  free(buffer);
}

static void receive_many(const struct request *request, struct answer *answer) {
  const size_t max = need_number(request, "max");
  const size_t room = number(request, "room", 1 << 20);
  char *buffer = malloc(room);
  mb_header *headers = calloc(max, sizeof *headers);
  size_t received;
  if (went_well(answer, mb_port_receive_many(handle(request), buffer, room, headers, max,
                                             wait_of(request), &received))) {
    say_number(answer, "items", received);
    for (size_t i = 0; i < received; ++i) {
      begin_item(answer);
      say_header(answer, &headers[i]);
      say_body(answer, buffer + headers[i].offset, headers[i].length);
    }
  }
  free(headers);
  free(buffer);
}

/* ---- loans ---- */

static void loan(const struct request *request, struct answer *answer) {
  mb_loan *loan;
  if (went_well(answer, mb_port_loan(handle(request), need_number(request, "size"),
                                     wait_of(request), &loan))) {
    say_number(answer, "capacity", mb_loan_capacity(loan));
    keep(LOAN, need(request, "loan"), loan);
  }
}

static void fill(const struct request *request, struct answer *answer) {
  (void)answer;
  mb_loan *loan = find(LOAN, need(request, "loan"));
  const struct bytes body = need_body(request);
  const uint64_t offset = number(request, "offset", 0);
  if (offset + body.length > mb_loan_capacity(loan)) die("that does not fit into the loan");
  memcpy((char *)mb_loan_data(loan) + offset, body.data, body.length);
}

static void write_loan(const struct request *request, struct answer *answer) {
  const struct bytes body = need_body(request);
  went_well(answer, mb_loan_write(find(LOAN, need(request, "loan")), number(request, "offset", 0),
                                  body.data, body.length));
}

static void commit(const struct request *request, struct answer *answer) {
  const char *name = need(request, "loan");
  mb_loan *loan = find(LOAN, name);
  const uint64_t length = number(request, "length", mb_loan_capacity(loan));
  const uint32_t kind = (uint32_t)number(request, "kind", 0);
  uint64_t id;
  if (went_well(answer, mb_loan_commit(loan, length, kind, wait_of(request), &id))) {
    take_out(LOAN, name);
    say_number(answer, "id", id);
  }
}

/* C forgets nothing by itself, so that this is what there is for both verbs. */
static void discard(const struct request *request, struct answer *answer) {
  went_well(answer, mb_loan_discard(take_out(LOAN, need(request, "loan"))));
}

/* ---- receipts ---- */

static void say_receipt(struct answer *answer, const mb_receipt *receipt) {
  mb_header header;
  if (!went_well(answer, mb_receipt_header(receipt, &header))) return;
  say_header(answer, &header);
  say_body(answer, mb_receipt_data(receipt), mb_receipt_length(receipt));
}

static void take_as(const struct request *request, struct answer *answer, int64_t wait) {
  mb_receipt *receipt;
  if (!went_well(answer, mb_port_take(handle(request), wait, &receipt))) return;
  say_receipt(answer, receipt);
  keep(RECEIPT, need(request, "receipt"), receipt);
}

static void take(const struct request *request, struct answer *answer) {
  take_as(request, answer, wait_of(request));
}

static void try_take(const struct request *request, struct answer *answer) {
  take_as(request, answer, MB_TRY);
}

static void take_many(const struct request *request, struct answer *answer) {
  const size_t max = need_number(request, "max");
  const char *name = need(request, "receipt");
  mb_receipt **receipts = calloc(max, sizeof *receipts);
  size_t taken;
  if (went_well(answer, mb_port_take_many(handle(request), wait_of(request), receipts, max,
                                          &taken))) {
    say_number(answer, "items", taken);
    for (size_t i = 0; i < taken; ++i) {
      char each[256];
      snprintf(each, sizeof each, "%s.%zu", name, i);
      begin_item(answer);
      say_receipt(answer, receipts[i]);
      keep(RECEIPT, each, receipts[i]);
    }
  }
  free(receipts);
}

static void look(const struct request *request, struct answer *answer) {
  say_receipt(answer, find(RECEIPT, need(request, "receipt")));
}

static void copy(const struct request *request, struct answer *answer) {
  const size_t length = need_number(request, "length");
  char *part = malloc(length + 1);
  if (went_well(answer, mb_receipt_copy(find(RECEIPT, need(request, "receipt")),
                                        need_number(request, "offset"), part, length))) {
    say_body(answer, part, length);
  }
  free(part);
}

static void ack(const struct request *request, struct answer *answer) {
  went_well(answer, mb_receipt_ack(take_out(RECEIPT, need(request, "receipt"))));
}

static void nack(const struct request *request, struct answer *answer) {
  went_well(answer, mb_receipt_nack(take_out(RECEIPT, need(request, "receipt"))));
}

const struct verb_entry message_verbs[] = {
    {"create", create},
    {"open", open_port},
    {"open_or_create", open_or_create},
    {"delete", delete_port},
    {"close", close_port},
    {"facts", facts},
    {"stat", stat},
    {"send", send_one},
    {"try_send", try_send},
    {"send_many", send_many},
    {"receive", receive},
    {"try_receive", try_receive},
    {"receive_into", receive_into},
    {"receive_many", receive_many},
    {"loan", loan},
    {"fill", fill},
    {"write", write_loan},
    {"commit", commit},
    {"discard", discard},
    {"drop_loan", discard},
    {"take", take},
    {"try_take", try_take},
    {"take_many", take_many},
    {"look", look},
    {"copy", copy},
    {"ack", ack},
    {"nack", nack},
    {"drop_receipt", nack},
    {NULL, NULL},
};
