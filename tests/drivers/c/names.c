/*
 * Endless making, opening and deleting of things under a few names; see ../README.md.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

enum { PORTS = 3, SEGMENTS = 2 };

struct player {
  uint64_t seed;
  mb_port *ports[PORTS];
  mb_segment *segments[SEGMENTS];
};

/* What others, who do the same at the same time, can be the reason of. */
static bool expected(mb_status status) {
  return status == MB_ALREADY_EXISTS || status == MB_CLOSED || status == MB_EMPTY ||
         status == MB_FULL || status == MB_NOT_FOUND || status == MB_TIMEOUT;
}

static void put_port(mb_port **place, mb_port *port) {
  if (*place != NULL) mb_port_close(*place);
  *place = port;
}

static void put_segment(mb_segment **place, mb_segment *segment) {
  if (*place != NULL) mb_segment_close(*place);
  *place = segment;
}

static mb_status act(struct player *p, const char *name) {
  const uint64_t action = dice(&p->seed, 12);
  mb_port_options options = MB_PORT_OPTIONS_INIT;
  options.capacity = 4;
  options.max_users = 64;
  if (dice(&p->seed, 3) == 0) options.flags = MB_PORT_OWNED_BY_TASK;
  mb_port **place = &p->ports[dice(&p->seed, PORTS)];
  mb_segment **room = &p->segments[dice(&p->seed, SEGMENTS)];
  mb_port *port;
  mb_segment *segment;
  mb_receipt *receipt;
  mb_status status = MB_OK;
  switch (action) {
    case 0:
      status = mb_port_create_in(domain, name, &options, &port);
      if (status == MB_OK) put_port(place, port);
      break;
    case 1:
      status = mb_port_open_or_create_in(domain, name, &options, &port);
      if (status == MB_OK) put_port(place, port);
      break;
    case 2: case 3:
      status = mb_port_open_in(domain, name, &port);
      if (status == MB_OK) put_port(place, port);
      break;
    case 4: put_port(place, NULL); break;
    case 5: status = mb_port_delete_in(domain, name); break;
    case 6:
      status = mb_segment_open_or_create_in(domain, name, 5000, NULL, &segment);
      if (status == MB_OK) put_segment(room, segment);
      break;
    case 7:
      status = mb_segment_open_in(domain, name, MB_READ_WRITE, &segment);
      if (status == MB_OK) put_segment(room, segment);
      break;
    case 8: status = mb_segment_delete_in(domain, name); break;
    case 9:
      if (*room != NULL) status = mb_segment_grow(*room, mb_segment_size(*room) + 5000);
      break;
    case 10:
      if (*place != NULL) status = mb_port_send(*place, name, strlen(name), MB_TRY);
      break;
    default:
      if (*place != NULL) status = mb_port_take(*place, 1000 * 1000, &receipt);
      if (*place != NULL && status == MB_OK) status = mb_receipt_nack(receipt);
      break;
  }
  return status;
}

static void storm_names(const struct request *request, struct answer *answer) {
  struct player p = {.seed = need_number(request, "seed")};
  char *names[8];
  size_t count = 0;
  char *list = strdup(need(request, "names")), *rest = NULL;
  for (char *n = strtok_r(list, ",", &rest); n && count < 8; n = strtok_r(NULL, ",", &rest)) {
    names[count++] = n;
  }
  uint64_t done = 0;
  mb_status status = MB_OK;
  while (!storm_stopped()) {
    status = act(&p, names[dice(&p.seed, count)]);
    if (status == MB_OK) ++done;
    else if (!expected(status)) break;
  }
  if (status == MB_OK || expected(status) || went_well(answer, status)) {
    say_number(answer, "done", done);
  }
  for (size_t i = 0; i < PORTS; ++i) put_port(&p.ports[i], NULL);
  for (size_t i = 0; i < SEGMENTS; ++i) put_segment(&p.segments[i], NULL);
  free(list);
}

const struct verb_entry name_verbs[] = {
    {"storm_names", storm_names},
    {NULL, NULL},
};
