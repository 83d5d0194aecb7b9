/* What programs have compiled in: numbers, sizes and offsets. A line here may be added, and never
 * changed: a change breaks every program that was compiled before. Structs that begin with a size
 * may grow at their end. */
#include <mailboat.h>
#include <stddef.h>

#define IS(what, number) _Static_assert((what) == (number), #what)
#define AT(type, field, where) IS(offsetof(type, field), where)

IS(sizeof(mb_status), 4);
IS(MB_OK, 0);
IS(MB_FULL, 1);
IS(MB_EMPTY, 2);
IS(MB_TIMEOUT, 3);
IS(MB_CLOSED, 4);
IS(MB_PEER_DIED, 5);
IS(MB_NOT_PERMITTED, 6);
IS(MB_TOO_LARGE, 7);
IS(MB_NO_SPACE, 8);
IS(MB_CORRUPT, 9);
IS(MB_VERSION, 10);
IS(MB_NOT_FOUND, 11);
IS(MB_ALREADY_EXISTS, 12);
IS(MB_BAD_NAME, 13);
IS(MB_INVALID, 14);
IS(MB_WRONG_TYPE, 15);
IS(MB_BAD_DOMAIN, 16);
IS(MB_TOO_MANY, 17);
IS(MB_LEASE_LOST, 18);
IS(MB_FORKED, 19);
IS(MB_INTERRUPTED, 20);
IS(MB_SYSTEM, 21);
IS(MB_INTERNAL, 22);

IS(MB_TRY, 0);
IS(MB_FOREVER, -1);
IS(MB_DOMAIN_SHARED, 1);
IS(MB_KIND_PORT, 1);
IS(MB_KIND_SEGMENT, 2);
IS(MB_PORT_OWNED_BY_TASK, 1);
IS(MB_PORT_TIMESTAMPS, 2);
IS(MB_PORT_CLOSED, 4);
IS(MB_PORT_IN_SEGMENT, 8);
IS(MB_MESSAGE_REDELIVERED, 1);
IS(MB_MESSAGE_TIMESTAMPED, 2);
IS(MB_READ_ONLY, 1);
IS(MB_READ_WRITE, 2);

/* Arrays of these are passed: they never change their size. */
IS(sizeof(mb_header), 64);
AT(mb_header, length, 0);
AT(mb_header, offset, 8);
AT(mb_header, id, 16);
AT(mb_header, sender, 24);
AT(mb_header, sent_ns, 32);
AT(mb_header, kind, 40);
AT(mb_header, redeliveries, 44);
AT(mb_header, flags, 48);
AT(mb_header, reserved, 52);
AT(mb_header, reserved2, 56);
IS(sizeof(mb_outgoing), 24);
AT(mb_outgoing, data, 0);
AT(mb_outgoing, length, 8);
AT(mb_outgoing, kind, 16);
AT(mb_outgoing, flags, 20);

/* These may grow. */
_Static_assert(sizeof(mb_domain_options) >= 32, "mb_domain_options");
AT(mb_domain_options, size, 0);
AT(mb_domain_options, location, 8);
AT(mb_domain_options, flags, 16);
AT(mb_domain_options, gid, 20);
AT(mb_domain_options, mode, 24);
AT(mb_domain_options, max_tasks, 28);
_Static_assert(sizeof(mb_domain_stats) >= 56, "mb_domain_stats");
AT(mb_domain_stats, size, 0);
AT(mb_domain_stats, tasks, 8);
AT(mb_domain_stats, max_tasks, 12);
AT(mb_domain_stats, deaths, 16);
AT(mb_domain_stats, space_total, 24);
AT(mb_domain_stats, space_available, 32);
AT(mb_domain_stats, flags, 40);
AT(mb_domain_stats, gid, 44);
AT(mb_domain_stats, mode, 48);
AT(mb_domain_stats, reserved, 52);
_Static_assert(sizeof(mb_entry) >= 40, "mb_entry");
AT(mb_entry, size, 0);
AT(mb_entry, name, 8);
AT(mb_entry, bytes, 16);
AT(mb_entry, kind, 24);
AT(mb_entry, uid, 28);
AT(mb_entry, mode, 32);
AT(mb_entry, reserved, 36);
_Static_assert(sizeof(mb_task) >= 40, "mb_task");
AT(mb_task, size, 0);
AT(mb_task, id, 8);
AT(mb_task, since_ns, 16);
AT(mb_task, program, 24);
AT(mb_task, pid, 32);
AT(mb_task, alive, 36);
_Static_assert(sizeof(mb_port_options) >= 40, "mb_port_options");
AT(mb_port_options, size, 0);
AT(mb_port_options, capacity, 8);
AT(mb_port_options, max_users, 12);
AT(mb_port_options, max_message, 16);
AT(mb_port_options, byte_budget, 24);
AT(mb_port_options, flags, 32);
AT(mb_port_options, mode, 36);
_Static_assert(sizeof(mb_port_stats) >= 136, "mb_port_stats");
AT(mb_port_stats, size, 0);
AT(mb_port_stats, capacity, 8);
AT(mb_port_stats, max_users, 12);
AT(mb_port_stats, users, 16);
AT(mb_port_stats, flags, 20);
AT(mb_port_stats, uid, 24);
AT(mb_port_stats, mode, 28);
AT(mb_port_stats, owner, 32);
AT(mb_port_stats, queued, 40);
AT(mb_port_stats, in_hand, 48);
AT(mb_port_stats, loaned, 56);
AT(mb_port_stats, given_back, 64);
AT(mb_port_stats, max_message, 72);
AT(mb_port_stats, byte_budget, 80);
AT(mb_port_stats, bytes_committed, 88);
AT(mb_port_stats, file_bytes, 96);
AT(mb_port_stats, sent, 104);
AT(mb_port_stats, received, 112);
AT(mb_port_stats, redelivered, 120);
AT(mb_port_stats, deaths, 128);
_Static_assert(sizeof(mb_segment_options) >= 24, "mb_segment_options");
AT(mb_segment_options, size, 0);
AT(mb_segment_options, max_size, 8);
AT(mb_segment_options, mode, 16);
AT(mb_segment_options, flags, 20);
