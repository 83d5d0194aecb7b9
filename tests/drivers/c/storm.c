/*
 * Endless sending and receiving, until the process is killed or told to stop. What is sent and what
 * is logged is described in ../README.md.
 */
#include "driver.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 24, BATCH = 8, HELD = 4 };

/* What became of a delivery, in the log. */
enum state { DAMAGED = 0, RECEIVED = 1, GIVEN_BACK = 2 };

/** As long as a send or receive waits before it is tried again: 20 ms. */
static const int64_t A_WHILE = 20 * 1000 * 1000;

static atomic_bool stopped;

void storm_stop(bool stop) {
  stopped = stop;
}

bool storm_stopped(void) {
  return stopped;
}

uint64_t dice(uint64_t *state, uint64_t n) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (*state >> 33) % n;
}

static uint32_t crc32(const unsigned char *data, size_t length) {
  uint32_t crc = ~0u;
  for (size_t i = 0; i < length; ++i) {
    crc ^= data[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0 - (crc & 1)));
  }
  return ~crc;
}

/* Little endian, which is what the machines are that Mailboat runs on. */
static void put(unsigned char *to, const void *value, size_t size) {
  memcpy(to, value, size);
}

static void make_message(unsigned char *body, uint64_t sender, uint64_t seq, uint32_t length) {
  for (uint32_t i = 0; i < length; ++i) body[i] = (unsigned char)(seq + 7 * (uint64_t)i);
  const uint32_t none = 0;
  put(body, &sender, 8);
  put(body + 8, &seq, 8);
  put(body + 16, &length, 4);
  put(body + 20, &none, 4);
  const uint32_t crc = crc32(body, length);
  put(body + 20, &crc, 4);
}

static int open_log(const struct request *request) {
  int log = open(need(request, "log"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (log < 0) die("cannot write %s", need(request, "log"));
  return log;
}

static void write_log(int log, const void *data, size_t length) {
  if (write(log, data, length) != (ssize_t)length) die("cannot write the log");
}

/* Whether it is worth another try. */
static bool passes(mb_status status) {
  return status == MB_FULL || status == MB_EMPTY || status == MB_TIMEOUT || status == MB_NO_SPACE;
}

/* ---- sending ---- */

struct sending {
  const mb_port *port;
  uint64_t seed;
  uint64_t max_size;
};

static uint32_t some_length(struct sending *s) {
  uint64_t most = 100;
  switch (dice(&s->seed, 20)) {
    case 0: most = s->max_size; break;
    case 1: case 2: case 3: case 4: case 5: most = 2000; break;
  }
  return (uint32_t)(HEAD + dice(&s->seed, most - HEAD + 1));
}

/* In one way or another. */
static mb_status send_some(struct sending *s, const mb_outgoing *messages, size_t n, size_t *sent) {
  *sent = 0;
  if (n > 1) return mb_port_send_many(s->port, messages, n, A_WHILE, sent);
  const size_t length = messages->length;
  mb_status status;
  switch (dice(&s->seed, 4)) {
    case 0: {
      mb_loan *loan;
      status = mb_port_loan(s->port, length + 1, A_WHILE, &loan);
      if (status != MB_OK) return status;
      memcpy(mb_loan_data(loan), messages->data, length);
      if (dice(&s->seed, 4) == 0) return mb_loan_discard(loan);
      status = mb_loan_commit(loan, length, 0, A_WHILE, NULL);
      if (status != MB_OK) mb_loan_discard(loan);
      break;
    }
    case 1: status = mb_port_send(s->port, messages->data, length, A_WHILE); break;
    default:
      status = mb_port_send_message(s->port, messages->data, length, 0, A_WHILE, NULL);
      break;
  }
  if (status == MB_OK) *sent = 1;
  return status;
}

static void storm_send(const struct request *request, struct answer *answer) {
  struct sending s = {find(HANDLE, need(request, "handle")), need_number(request, "seed"),
                      number(request, "max_size", 64 << 10)};
  const uint64_t sender = need_number(request, "sender");
  const uint64_t count = number(request, "count", 0);
  const int log = open_log(request);
  unsigned char *bodies = malloc(BATCH * (HEAD + s.max_size + 2000));
  if (bodies == NULL) die("no memory");
  uint64_t seq = 0;
  while ((count == 0 || seq < count) && !stopped) {
    size_t n = dice(&s.seed, 4) == 0 ? 1 + dice(&s.seed, BATCH) : 1;
    if (count != 0 && n > count - seq) n = count - seq;
    mb_outgoing messages[BATCH] = {{NULL, 0, 0, 0}};
    unsigned char *next = bodies;
    for (size_t i = 0; i < n; ++i) {
      const uint32_t length = some_length(&s);
      make_message(next, sender, seq + i, length);
      messages[i].data = next;
      messages[i].length = length;
      next += length;
    }
    size_t sent;
    const mb_status status = send_some(&s, messages, n, &sent);
    uint64_t records[2 * BATCH];
    for (size_t i = 0; i < sent; ++i) {
      records[2 * i] = sender;
      records[2 * i + 1] = seq + i;
    }
    write_log(log, records, 16 * sent);
    seq += sent;
    if (status == MB_CLOSED) break;
    if (!passes(status) && !went_well(answer, status)) goto out;
  }
  say_number(answer, "sent", seq);
out:
  free(bodies);
  close(log);
}

/* ---- receiving ---- */

struct receiving {
  const mb_port *port;
  uint64_t seed;
  int log;
  uint64_t good, bad;
  mb_receipt *held[HELD];
  size_t held_count;
};

static void record(struct receiving *r, const void *data, size_t length, const mb_header *header,
                   enum state state) {
  unsigned char *body = malloc(length + HEAD);
  if (body == NULL) die("no memory");
  memcpy(body, data, length);
  struct {
    uint64_t sender, seq, id;
    uint32_t redeliveries, state;
  } entry = {0, 0, header->id, header->redeliveries, DAMAGED};
  if (length >= HEAD) {
    uint32_t crc, said;
    memcpy(&crc, body + 20, 4);
    memcpy(&said, body + 16, 4);
    memset(body + 20, 0, 4);
    if (said == length && crc32(body, length) == crc) {
      entry.state = state;
      memcpy(&entry.sender, body, 8);
      memcpy(&entry.seq, body + 8, 8);
    }
  }
  write_log(r->log, &entry, sizeof entry);
  r->good += entry.state == RECEIVED;
  r->bad += entry.state == DAMAGED;
  free(body);
}

static mb_status note(struct receiving *r, const mb_receipt *receipt, enum state state) {
  mb_header header;
  mb_status status = mb_receipt_header(receipt, &header);
  if (status != MB_OK) return status;
  record(r, mb_receipt_data(receipt), mb_receipt_length(receipt), &header, state);
  return MB_OK;
}

/* The record comes first: what is acknowledged is in the log, whenever the process is killed. */
static mb_status acknowledge(struct receiving *r, mb_receipt *receipt) {
  mb_status status = note(r, receipt, RECEIVED);
  return status == MB_OK ? mb_receipt_ack(receipt) : status;
}

static mb_status take_some(struct receiving *r) {
  mb_receipt *receipts[BATCH];
  size_t n = 1;
  mb_status status = dice(&r->seed, 4) == 0
                         ? mb_port_take_many(r->port, A_WHILE, receipts, BATCH, &n)
                         : mb_port_take(r->port, A_WHILE, receipts);
  if (status != MB_OK) return status;
  for (size_t i = 0; i < n; ++i) {
    const uint64_t way = dice(&r->seed, 20);
    mb_status one = MB_OK;
    if (way < 2) {
      one = note(r, receipts[i], GIVEN_BACK);
      if (one == MB_OK) one = mb_receipt_nack(receipts[i]);
    } else if (way < 5 && r->held_count < HELD) {
      r->held[r->held_count++] = receipts[i];
    } else {
      one = acknowledge(r, receipts[i]);
    }
    if (one != MB_OK) status = one;
  }
  return status;
}

static mb_status copy_some(struct receiving *r) {
  static const size_t room = 1 << 20;
  char *buffer = malloc(room);
  mb_header headers[BATCH];
  size_t n = 1;
  mb_status status;
  if (dice(&r->seed, 4) == 0) {
    status = mb_port_receive_many(r->port, buffer, room, headers, BATCH, A_WHILE, &n);
  } else {
    status = mb_port_receive_message(r->port, buffer, room, A_WHILE, headers);
  }
  for (size_t i = 0; status == MB_OK && i < n; ++i) {
    record(r, buffer + headers[i].offset, headers[i].length, &headers[i], RECEIVED);
  }
  free(buffer);
  return status;
}

static void storm_receive(const struct request *request, struct answer *answer) {
  struct receiving r = {.port = find(HANDLE, need(request, "handle")),
                        .seed = need_number(request, "seed"),
                        .log = open_log(request)};
  const char *way = get(request, "way");
  const bool copying = way != NULL && strcmp(way, "copy") == 0;
  for (;;) {
    mb_status status = copying ? copy_some(&r) : take_some(&r);
    if (status == MB_CLOSED) break;
    if (passes(status)) {
      /* What is held back may be all that there is left. */
      status = MB_OK;
      while (r.held_count > 0 && status == MB_OK) status = acknowledge(&r, r.held[--r.held_count]);
      if (status == MB_OK && stopped) break;
    }
    if (!went_well(answer, status)) goto out;
  }
  say_number(answer, "received", r.good);
  say_number(answer, "bad", r.bad);
out:
  while (r.held_count > 0) mb_receipt_nack(r.held[--r.held_count]);
  close(r.log);
}

const struct verb_entry storm_verbs[] = {
    {"storm_send", storm_send},
    {"storm_receive", storm_receive},
    {NULL, NULL},
};
