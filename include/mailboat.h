/*
 * mailboat.h - inter-process communication through shared memory
 *
 * Licence: MIT OR Apache-2.0. Made from the library's sources by `make header`: change it there.
 *
 *
 * OVERVIEW
 *
 * Mailboat lets the processes of one machine exchange messages, whatever they are written in. A
 * process opens a *port* by name and sends; another one opens it and receives. Messages travel
 * through shared memory at memory speed, without a daemon, and outlive the processes that sent
 * them. A process that is killed at any moment, in the middle of any call, neither blocks nor
 * harms the others: what it had reported as sent is delivered, what it had in hand goes to
 * another receiver, and its memory comes back.
 *
 * Build with:  cc program.c $(pkg-config --cflags --libs mailboat)
 *
 *
 * A FIRST EXAMPLE
 *
 *   #include <mailboat.h>
 *   #include <stdio.h>
 *
 *   int main(void) {
 *     char buffer[100];
 *     size_t length;
 *     mb_port *orders;
 *
 *     if (mb_port_open_or_create("orders", NULL, &orders) != MB_OK) {
 *       fprintf(stderr, "%s\n", mb_last_error());
 *       return 1;
 *     }
 *     mb_port_send(orders, "hello", 5, MB_FOREVER);
 *     mb_port_receive(orders, buffer, sizeof buffer, &length, MB_FOREVER);
 *     printf("%.*s\n", (int)length, buffer);
 *     mb_port_close(orders);
 *     mb_port_delete("orders");
 *     return 0;
 *   }
 *
 * Sender and receiver are usually two processes; each opens "orders" and does its half.
 *
 *
 * WORDS
 *
 *   domain    the place where names live: one directory on tmpfs. The default one is private to
 *             the user; MAILBOAT_DOMAIN, or mb_domain_open(), picks another
 *   task      a process attached to a domain. It has an id, and a lease that the kernel drops
 *             when it dies
 *   port      a named mailbox: any number of senders and receivers, each message goes to one
 *   message   a header (mb_header) and a body of 0 bytes up to the port's largest message
 *   loan      a message being written in place, not yet sent
 *   receipt   a message in a receiver's hands, until acknowledged or given back
 *   segment   named shared memory, for programs that lay it out themselves
 *   queue     what a port is inside; a program can place one in a segment of its own
 *   owner     who a port disappears with: a task, or nobody (it stays until deleted)
 *
 *
 * CONVENTIONS
 *
 * Status. Functions that can fail return an mb_status: MB_OK or the reason. mb_status_text() says
 * it in a few words; mb_last_error() gives the sentence with the names and figures, for each
 * thread its own. Each function lists the statuses that it returns. MB_INVALID is returned for
 * every argument that is NULL where it must not be, misaligned, or out of its range, with a
 * sentence that names the argument. MB_INTERNAL would be a defect of the library. Functions that
 * only read a fact out of a handle return the fact.
 *
 * Outputs are written only on success. Exceptions, where a buffer is the output, say so.
 *
 * Options are structs that begin with their size, so that they can grow. Set them up with the
 * macro of their name: mb_port_options options = MB_PORT_OPTIONS_INIT; then set what you need. A
 * field that is 0 means the default. A size that is too short, a bit in flags that the library
 * does not know, or a field beyond those it knows that is not 0: MB_INVALID.
 *
 * Timeouts are relative, in nanoseconds: MB_TRY (0) does not wait, MB_FOREVER (-1) waits without
 * limit; other negative numbers are MB_INVALID. They are measured on CLOCK_MONOTONIC. With MB_TRY
 * a full or empty port gives MB_FULL or MB_EMPTY, with a timeout MB_TIMEOUT. A call that waits
 * uses no CPU after a first short moment.
 *
 * Ownership. What a function returns through a handle pointer is the caller's, until the function
 * that ends it: mb_..._close() for domains, ports and segments, mb_..._free() for lists,
 * mb_loan_commit() or mb_loan_discard(), mb_receipt_ack() or mb_receipt_nack(). What the caller
 * hands in for sending stays the caller's, and when sending fails nothing is lost. A handle that
 * was ended must not be used again; the library cannot notice that.
 *
 * Threads. Handles of domains, ports and segments may be used by any number of threads at once;
 * only closing one needs that nobody uses it any more. A loan is for one thread at a time.
 * The library starts no threads.
 *
 * Fork. After fork() the child may go on using the handles of domains, ports and segments: they
 * attach by themselves at their next use, as a task of its own; that first use can also fail as
 * mb_domain_open() can. Loans and receipts stay the parent's: in the child, mb_loan_commit(),
 * mb_receipt_ack() and mb_receipt_nack() give MB_FORKED, and mb_loan_discard() frees only the
 * child's handle. In a program with several threads the rule of POSIX holds: until exec(), the
 * child may only call functions that are safe in signal handlers, and those here are not.
 *
 * Signals. The library installs no handlers. A call that waits goes on waiting after a handler
 * ran, unless mb_port_set_interruptible() says otherwise. No function may be called in a handler.
 *
 * The library prints nothing, and never ends the process. It keeps two descriptors for each
 * domain, close-on-exec, and none for a port or a segment; a program that closes descriptors which
 * it did not open gets MB_LEASE_LOST.
 *
 *
 * CAVEATS
 *
 * Who may write a port can destroy its messages: that is what write permission means. It cannot
 * make another process crash, read or write outside the port, or wait past its deadline. Data
 * that is read in place (mb_receipt_data(), mb_segment_address()) can be changed by a sender that
 * misbehaves while you read it: copy it first if you do not trust the senders.
 *
 * A domain is private to its user unless it was made with MB_DOMAIN_SHARED. A directory that
 * belongs to somebody else, or is open to others, is refused, and so are symlinks.
 *
 * What a crash leaves. A sender that dies before its call returned may have sent the message or
 * not; the message's id tells which. A receiver that dies with messages in hand gives them back:
 * they come again, ahead of those queued, with MB_MESSAGE_REDELIVERED, so be ready to see one
 * twice if the first receiver had done its work but not acknowledged. Messages that are queued
 * stay, until received or until the port is deleted; a machine that restarts loses them, since
 * tmpfs is memory.
 *
 * A message that is given back loses its place in the order; all others come first sent, first
 * received.
 *
 * A full port stays full until receivers acknowledge: a message in hand occupies its buffer.
 *
 * A port's memory is set aside before it is used: a tmpfs that is full gives MB_NO_SPACE, never
 * SIGBUS. (Unless somebody truncates the files by hand.)
 */


#ifndef MAILBOAT_H
#define MAILBOAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ==== Version and set-up macros ============================================================= */

/** The version of this header; mb_version() is that of the library that is running. */
#define MB_HEADER_VERSION "0.1.0"
/** The same in numbers. */
#define MB_HEADER_VERSION_MAJOR 0
/** The same in numbers. */
#define MB_HEADER_VERSION_MINOR 1
/** The same in numbers. */
#define MB_HEADER_VERSION_PATCH 0

/** Sets up options or a place for figures: everything 0, which means the default, but the size. */
#define MB_DOMAIN_OPTIONS_INIT {sizeof(mb_domain_options), NULL, 0, 0, 0, 0}
/** As MB_DOMAIN_OPTIONS_INIT, for mb_domain_stats. */
#define MB_DOMAIN_STATS_INIT {sizeof(mb_domain_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0}
/** As MB_DOMAIN_OPTIONS_INIT, for mb_port_options. */
#define MB_PORT_OPTIONS_INIT {sizeof(mb_port_options), 0, 0, 0, 0, 0, 0}
/** As MB_DOMAIN_OPTIONS_INIT, for mb_port_stats. */
#define MB_PORT_STATS_INIT \
  {sizeof(mb_port_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
/** As MB_DOMAIN_OPTIONS_INIT, for mb_segment_options. */
#define MB_SEGMENT_OPTIONS_INIT {sizeof(mb_segment_options), 0, 0, 0}

/* ==== Status numbers ======================================================================== */

/** Done. */
#define MB_OK 0

/** The port can take no more just now; receivers must make room. */
#define MB_FULL 1

/** There is no message just now. */
#define MB_EMPTY 2

/** The time given ran out before the operation could be done. Nothing was changed. */
#define MB_TIMEOUT 3

/** The port was deleted, or its owner has gone. */
#define MB_CLOSED 4

/** The process on the other side died. */
#define MB_PEER_DIED 5

/** The permissions, the owner or the way the object was opened do not allow this. */
#define MB_NOT_PERMITTED 6

/** The message, or the buffer asked for, is larger than a limit allows. */
#define MB_TOO_LARGE 7

/** The tmpfs behind the domain has not enough free memory. */
#define MB_NO_SPACE 8

/** The shared memory contains what no well-behaved process would have written. */
#define MB_CORRUPT 9

/** The object was made by another version of the shared-memory layout. */
#define MB_VERSION 10

/** There is no object of this name. */
#define MB_NOT_FOUND 11

/** There is an object of this name already. */
#define MB_ALREADY_EXISTS 12

/** The name breaks the rules for names. */
#define MB_BAD_NAME 13

/** An argument is out of its range, NULL where it must not be, or misaligned. */
#define MB_INVALID 14

/** Something else stands where the object should be: a symlink, a directory, another kind. */
#define MB_WRONG_TYPE 15

/** The domain's place cannot hold a domain: not tmpfs, not writable, not a directory. */
#define MB_BAD_DOMAIN 16

/** A table of limited size has no free place: tasks of a domain, users of a port. */
#define MB_TOO_MANY 17

/**
 * This task was declared dead while it was alive, because the descriptor that holds its lease was
 * closed behind the library's back. What it had in hand was given back.
 */
#define MB_LEASE_LOST 18

/** The loan or receipt belongs to the parent of this forked process. */
#define MB_FORKED 19

/** A signal arrived while an interruptible call was waiting. Nothing was changed. */
#define MB_INTERRUPTED 20

/** The operating system refused; mb_last_error() says what, mb_last_error_errno() its number. */
#define MB_SYSTEM 21

/** A defect in Mailboat itself, caught at the border of the library. */
#define MB_INTERNAL 22

/* ==== Other constants ======================================================================= */

/** As a timeout: do not wait; fail at once with MB_FULL or MB_EMPTY. */
#define MB_TRY 0

/** As a timeout: wait without limit. */
#define MB_FOREVER (-1)

/**
 * In mb_domain_options: make the domain, if it is absent, for the members of a group; gid and mode
 * count.
 */
#define MB_DOMAIN_SHARED 1

/** An object in a domain is a port. */
#define MB_KIND_PORT 1

/** An object in a domain is a segment. */
#define MB_KIND_SEGMENT 2

/**
 * In mb_port_options: the port belongs to this process and is deleted when the handle that
 * created it is closed, or when the process ends, however it ends. Without it the port belongs to
 * the domain and stays until mb_port_delete().
 */
#define MB_PORT_OWNED_BY_TASK 1

/**
 * In mb_port_options: note the time in each message that is sent. Reading the clock costs about a
 * quarter of sending a small message.
 */
#define MB_PORT_TIMESTAMPS 2

/** In mb_port_stats: the port was deleted, or its owner has gone. */
#define MB_PORT_CLOSED 4

/** In mb_port_stats: it is a queue in a segment. */
#define MB_PORT_IN_SEGMENT 8

/** In mb_header: an earlier receiver had this message in hand, and died or gave it back. */
#define MB_MESSAGE_REDELIVERED 1

/** In mb_header: sent_ns is set. */
#define MB_MESSAGE_TIMESTAMPED 2

/**
 * Attach a segment for reading only; writing to its memory is then an error of the program, which
 * the processor catches (SIGSEGV).
 */
#define MB_READ_ONLY 1

/** Attach a segment for reading and writing. */
#define MB_READ_WRITE 2

/* ==== Types ================================================================================= */

/**
 * A domain: the place where names live, one directory on tmpfs. Only programs that look into a
 * domain, list it, or use another than their default one need this handle; every other function
 * finds the default domain by itself.
 *
 * Who owns it: the program that opened it, until mb_domain_close(). Ports and segments opened
 * through it keep what they need of the domain, so the handle may be closed before them. Any
 * number of threads may use it at once.
 */
typedef struct mb_domain mb_domain;

/**
 * The objects of a domain, as they were when mb_domain_list() looked.
 *
 * Who owns it: the program that asked, until mb_entries_free(). It is a copy, so nothing changes
 * in it, and any number of threads may read it at once.
 */
typedef struct mb_entries mb_entries;

/**
 * A loan: a message that is being written in place, in the port's memory, and not yet sent. For
 * large messages it saves the copy.
 *
 * Who owns it: the program that asked for it, until mb_loan_commit() succeeds or
 * mb_loan_discard() is called. If the process dies first, the memory goes back to the port. It
 * may outlive the handle of its port. One thread at a time may use it. After fork() it is the
 * parent's.
 */
typedef struct mb_loan mb_loan;

/**
 * A port: a named mailbox that any number of processes send to and receive from; each message
 * goes to exactly one receiver. The same handle stands for a queue that a program placed in a
 * segment (mb_queue_create()): all functions for messages work on both.
 *
 * Who owns it: the program that created or opened it, until mb_port_close(). Loans and receipts
 * keep what they need of the port, so the handle may be closed before them. Any number of threads
 * may use it at once.
 */
typedef struct mb_port mb_port;

/**
 * A receipt: a message in this process's hands, read in place. It belongs to the process for good
 * only once acknowledged; if the process dies first, another receiver gets the message, flagged
 * MB_MESSAGE_REDELIVERED.
 *
 * Who owns it: the program that took it, until mb_receipt_ack() or mb_receipt_nack(). It may
 * outlive the handle of its port. Any number of threads may read it at once. After fork() it is
 * the parent's.
 */
typedef struct mb_receipt mb_receipt;

/**
 * A segment: named shared memory, attached to this process at an address that does not change
 * while it is attached.
 *
 * Who owns it: the program that created or opened it, until mb_segment_close(). The memory stays
 * attached as long as a queue in it is open through mb_queue_create() or mb_queue_open(). Any
 * number of threads may use the handle at once; what they do with the memory is theirs to order.
 */
typedef struct mb_segment mb_segment;

/**
 * The tasks of a domain, as they were when mb_domain_tasks() looked.
 *
 * Who owns it: the program that asked, until mb_tasks_free(). It is a copy, so nothing changes in
 * it, and any number of threads may read it at once.
 */
typedef struct mb_tasks mb_tasks;

/**
 * What a call reports: MB_OK, or the reason why it did nothing. The numbers never change their
 * meaning; later versions may add some, so treat an unknown one as a failure.
 */
typedef int32_t mb_status;

/** How to open a domain. Begin with MB_DOMAIN_OPTIONS_INIT; a field that is 0 means the default. */
typedef struct mb_domain_options {
  /** sizeof(mb_domain_options). */
  size_t size;
  /**
   * A name, or the absolute path of a directory on tmpfs; with MB_DOMAIN_SHARED a path. NULL:
   * what the environment variable MAILBOAT_DOMAIN says, else "default".
   */
  const char *location;
  /** MB_DOMAIN_SHARED or 0. */
  uint32_t flags;
  /** With MB_DOMAIN_SHARED: the group that shares the domain. Else 0. */
  uint32_t gid;
  /**
   * With MB_DOMAIN_SHARED: the permission bits of the directory, such as 0770; the objects in it
   * get them without the x bits. Else 0.
   */
  uint32_t mode;
  /**
   * How many tasks may be attached at once, for a domain that is made by this call, 1 to 16384.
   * Default: 1024.
   */
  uint32_t max_tasks;
} mb_domain_options;

/** What a domain says about itself. Set `size` before asking (MB_DOMAIN_STATS_INIT does). */
typedef struct mb_domain_stats {
  /** sizeof(mb_domain_stats). */
  size_t size;
  /** Tasks attached just now. */
  uint32_t tasks;
  /** How many may be. */
  uint32_t max_tasks;
  /** Deaths of tasks that were noticed and recovered, since the domain was made. */
  uint64_t deaths;
  /** Size of the tmpfs that holds the domain, in bytes; UINT64_MAX if it has no limit. */
  uint64_t space_total;
  /** Bytes of it that are free; UINT64_MAX if it has no limit. */
  uint64_t space_available;
  /** MB_DOMAIN_SHARED if the domain is shared with a group. */
  uint32_t flags;
  /** That group; 0 if the domain is private. */
  uint32_t gid;
  /** The permission bits of a shared domain; 0 if the domain is private. */
  uint32_t mode;
  /** 0. */
  uint32_t reserved;
} mb_domain_stats;

/**
 * One object of a domain. Later versions may add fields at the end; `size` says how far this
 * library's reach.
 */
typedef struct mb_entry {
  /** sizeof(mb_entry) in the library. */
  size_t size;
  /** Its name. */
  const char *name;
  /** Memory that it really uses, in bytes. */
  uint64_t bytes;
  /** MB_KIND_PORT, MB_KIND_SEGMENT, or a number that a later version knows. */
  uint32_t kind;
  /** The user it belongs to. */
  uint32_t uid;
  /** Its permission bits. */
  uint32_t mode;
  /** 0. */
  uint32_t reserved;
} mb_entry;

/**
 * One task of a domain. Later versions may add fields at the end; `size` says how far this
 * library's reach.
 */
typedef struct mb_task {
  /** sizeof(mb_task) in the library. */
  size_t size;
  /** Its id, unique in the domain. */
  uint64_t id;
  /** When it attached, in nanoseconds since 1970 (CLOCK_REALTIME). */
  uint64_t since_ns;
  /** The name of its program, at most 15 bytes of it, for people; "" if unknown. */
  const char *program;
  /** Its process id, for people: as the process itself sees it. */
  uint32_t pid;
  /** 1 if it lives, 0 if it died; it will not be listed again then. */
  uint32_t alive;
} mb_task;

/**
 * How to make a port, or a queue in a segment. Begin with MB_PORT_OPTIONS_INIT; a field that is 0
 * means the default.
 */
typedef struct mb_port_options {
  /** sizeof(mb_port_options). */
  size_t size;
  /** How many messages may be queued, 1 to 67108864. Default: 1024. */
  uint32_t capacity;
  /** How many handles may be open at once, 1 to 4096. Default: 256. */
  uint32_t max_users;
  /** The largest message in bytes, up to 1 TiB. Default: 16 MiB. */
  uint64_t max_message;
  /**
   * Memory for messages over 192 bytes, in bytes. It is used only as far as needed. Default:
   * 64 MiB, or 4 times max_message if that is more.
   */
  uint64_t byte_budget;
  /**
   * MB_PORT_OWNED_BY_TASK, MB_PORT_TIMESTAMPS, both (with |), or 0. Only MB_PORT_TIMESTAMPS for
   * a queue in a segment.
   */
  uint32_t flags;
  /**
   * Permission bits of the port, such as 0660; its user must be able to read and write. Default:
   * 0600, or in a shared domain the domain's. Must be 0 for a queue in a segment.
   */
  uint32_t mode;
} mb_port_options;

/** What a port says about itself. Set `size` before asking (MB_PORT_STATS_INIT does). */
typedef struct mb_port_stats {
  /** sizeof(mb_port_stats). */
  size_t size;
  /** How many messages may be queued. */
  uint32_t capacity;
  /** How many handles may be open at once. */
  uint32_t max_users;
  /** How many are. */
  uint32_t users;
  /** MB_PORT_OWNED_BY_TASK, MB_PORT_TIMESTAMPS, MB_PORT_CLOSED, MB_PORT_IN_SEGMENT, joined with |. */
  uint32_t flags;
  /** The user the port belongs to; 0 for a queue in a segment. */
  uint32_t uid;
  /** Its permission bits; 0 for a queue in a segment. */
  uint32_t mode;
  /** The task that owns it, with MB_PORT_OWNED_BY_TASK; else 0. */
  uint64_t owner;
  /** Messages queued just now. */
  uint64_t queued;
  /** Messages in receivers' hands: taken, not yet acknowledged. */
  uint64_t in_hand;
  /** Messages that senders are writing: loaned, not yet committed. */
  uint64_t loaned;
  /** Messages given back, or left by receivers that died, waiting for the next receiver. */
  uint64_t given_back;
  /** The largest message, in bytes. */
  uint64_t max_message;
  /** Memory for messages over 192 bytes, in bytes. */
  uint64_t byte_budget;
  /** How much of the byte budget is set aside just now, in bytes. */
  uint64_t bytes_committed;
  /**
   * Memory that the port's file really uses, in bytes; 0 for a queue in a segment, or once the
   * port was deleted.
   */
  uint64_t file_bytes;
  /** Messages sent since the port was made. */
  uint64_t sent;
  /** Messages received or taken since then, each counted once. */
  uint64_t received;
  /** How often messages were handed out again since then. */
  uint64_t redelivered;
  /** Deaths of users that were noticed and recovered since then. */
  uint64_t deaths;
} mb_port_stats;

/** A message to be sent by mb_port_send_many(). */
typedef struct mb_outgoing {
  /** The body; may be NULL when length is 0. */
  const void *data;
  /** Its length in bytes. */
  size_t length;
  /** A number of your own. */
  uint32_t kind;
  /** 0: none are defined yet. */
  uint32_t flags;
} mb_outgoing;

/** What a message says about itself. */
typedef struct mb_header {
  /** Length of the body in bytes. */
  uint64_t length;
  /** Where the body begins in the buffer of mb_port_receive_many(), in bytes; else 0. */
  uint64_t offset;
  /** The message's id, unique in the domain. */
  uint64_t id;
  /** The task that sent it. */
  uint64_t sender;
  /** When it was sent, in nanoseconds on CLOCK_MONOTONIC, with MB_MESSAGE_TIMESTAMPED; else 0. */
  uint64_t sent_ns;
  /** A number of the sender's own. */
  uint32_t kind;
  /** How often it was handed to a receiver before this time. Counts up to 255 and stays there. */
  uint32_t redeliveries;
  /** MB_MESSAGE_REDELIVERED, MB_MESSAGE_TIMESTAMPED, joined with |; later versions may set more. */
  uint32_t flags;
  /** 0 for now. */
  uint32_t reserved;
  /** 0 for now. */
  uint64_t reserved2;
} mb_header;

/** How to make a segment. Begin with MB_SEGMENT_OPTIONS_INIT; a field that is 0 means the default. */
typedef struct mb_segment_options {
  /** sizeof(mb_segment_options). */
  size_t size;
  /**
   * How far the segment may grow, in bytes, up to 16 TiB. Default: 1 GiB, or the size if that is
   * more. Only addresses are set aside, no memory.
   */
  uint64_t max_size;
  /**
   * Permission bits of the segment, such as 0640; its user must be able to read and write.
   * Default: 0600, or in a shared domain the domain's.
   */
  uint32_t mode;
  /** 0: none are defined yet. */
  uint32_t flags;
} mb_segment_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== Functions: status and errors ========================================================== */

/**
 * A status number in a few words, whatever the call was. mb_last_error() says more.
 *
 * Parameters:
 *   status   any number
 *
 * Returns:   the words, never NULL; "unknown status" for a number that this library does not know
 * Ownership: the text is the library's and stays valid for ever
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_status_text(mb_status status);

/**
 * The version of the library that is running, as "major.minor.patch". The header's own is in
 * MB_HEADER_VERSION.
 *
 * Returns:   the text, never NULL
 * Ownership: the text is the library's and stays valid for ever
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_version(void);

/**
 * The sentence for the last failure in this thread, with the names and figures: which limit,
 * whose, how full, what to do.
 *
 * A call that succeeds leaves it as it is, so look at it only after a failure.
 *
 * Returns:   the sentence in UTF-8; "" when no call has failed in this thread; never NULL
 * Ownership: the text is the library's; it is valid until the next call that fails in this
 *            thread, or the end of the thread
 * Blocking:  never
 * Threads:   each thread has its own
 * Fork:      the child keeps what the forking thread had
 */
const char *mb_last_error(void);

/**
 * How many bytes the last failed call in this thread would have needed.
 *
 * After MB_TOO_LARGE from a receive it is the size of the message that did not fit, so that you
 * can make room for it and ask again; from a send or a loan it is the size that was asked for.
 * After MB_NO_SPACE it is the memory that was missing.
 *
 * Returns:   bytes; 0 when the last failure was of another kind
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   each thread has its own
 * Fork:      the child keeps what the forking thread had
 */
uint64_t mb_last_error_bytes(void);

/**
 * The number that the operating system gave with the last failure in this thread, as in errno.h.
 *
 * Returns:   the number; 0 when the operating system had no part in it
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   each thread has its own
 * Fork:      the child keeps what the forking thread had
 */
int32_t mb_last_error_errno(void);

/* ==== Functions: domains ==================================================================== */

/**
 * Opens a domain. A private one that is absent is made: its directory belongs to the user alone.
 *
 * Parameters:
 *   location   a name, or the absolute path of a directory on tmpfs; NULL: what the environment
 *              variable MAILBOAT_DOMAIN says, else "default"
 *   domain     gets the handle
 *
 * Status:    MB_OK, MB_BAD_NAME (neither a name nor an absolute path), MB_BAD_DOMAIN (not on
 *            tmpfs, not a directory, no such place), MB_NOT_PERMITTED (another user's, open to
 *            others, or not writable), MB_WRONG_TYPE, MB_CORRUPT, MB_VERSION, MB_NOT_FOUND (removed
 *            meanwhile), MB_NO_SPACE, MB_TOO_MANY, MB_INVALID, MB_SYSTEM, MB_INTERNAL
 * Ownership: the handle is the caller's until mb_domain_close(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child may go on using the handle; it becomes a task of its own at the next use
 */
mb_status mb_domain_open(const char *location,
                         mb_domain **domain);

/**
 * Opens a domain as the options say, which may make a domain that a group shares.
 *
 * Parameters:
 *   options    how; NULL: the defaults, as mb_domain_open() with NULL
 *   domain     gets the handle
 *
 * Status:    those of mb_domain_open(); MB_ALREADY_EXISTS (it is there, but not shared in this
 *            way); MB_INVALID also for a short size, unknown bits in flags, a mode or gid without
 *            MB_DOMAIN_SHARED, MB_DOMAIN_SHARED without a path, a mode or max_tasks out of range
 * Ownership: the options stay the caller's and may be forgotten after the call; the handle is the
 *            caller's until mb_domain_close(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_domain_open()
 */
mb_status mb_domain_open_with(const mb_domain_options *options,
                              mb_domain **domain);

/**
 * The directory of a domain.
 *
 * Parameters:
 *   domain     the domain
 *
 * Returns:   its absolute path; NULL if domain is NULL or misaligned (mb_last_error() says which)
 * Ownership: the text is the handle's and valid until mb_domain_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_domain_path(const mb_domain *domain);

/**
 * The id of the calling process as a task of the domain: what receivers of its messages see as
 * their sender.
 *
 * Parameters:
 *   domain     the domain
 *   task       gets the id, unique in the domain for as long as the domain exists
 *
 * Status:    MB_OK, MB_INVALID, MB_INTERNAL; in a forked child also MB_TOO_MANY, MB_NOT_FOUND,
 *            MB_BAD_DOMAIN, MB_NOT_PERMITTED, MB_SYSTEM
 * Ownership: nothing changes hands
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child has an id of its own
 */
mb_status mb_domain_task(const mb_domain *domain, uint64_t *task);

/**
 * Figures about a domain.
 *
 * Parameters:
 *   domain     the domain
 *   stats      gets the figures; its size must be set (MB_DOMAIN_STATS_INIT)
 *
 * Status:    MB_OK, MB_BAD_DOMAIN (removed meanwhile), MB_NOT_PERMITTED, MB_INVALID, MB_SYSTEM,
 *            MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_domain_stat(const mb_domain *domain, mb_domain_stats *stats);

/**
 * Lets a domain go. What was opened through it stays open.
 *
 * Parameters:
 *   domain     the handle, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the handle
 * Blocking:  never
 * Threads:   no other thread may be using the handle
 * Fork:      the child closes its own copy only
 */
mb_status mb_domain_close(mb_domain *domain);

/**
 * Lists the ports and segments of a domain.
 *
 * Parameters:
 *   domain     the domain
 *   entries    gets the list: mb_entries_count(), mb_entries_at()
 *
 * Status:    MB_OK, MB_BAD_DOMAIN (removed meanwhile), MB_NOT_PERMITTED, MB_INVALID, MB_SYSTEM,
 *            MB_INTERNAL
 * Ownership: the list is the caller's until mb_entries_free(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_domain_list(const mb_domain *domain, mb_entries **entries);

/**
 * How many objects a list has.
 *
 * Parameters:
 *   entries    the list
 *
 * Returns:   their number; 0 if entries is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
size_t mb_entries_count(const mb_entries *entries);

/**
 * One object of a list.
 *
 * Parameters:
 *   entries    the list
 *   index      which, from 0
 *
 * Returns:   the object; NULL if there are not so many, or if entries is NULL or misaligned
 *            (mb_last_error() says which)
 * Ownership: it is the list's, and valid until mb_entries_free()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const mb_entry *mb_entries_at(const mb_entries *entries, size_t index);

/**
 * Frees a list.
 *
 * Parameters:
 *   entries    the list, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the list
 * Blocking:  never
 * Threads:   no other thread may be using the list
 * Fork:      the child frees its own copy only
 */
mb_status mb_entries_free(mb_entries *entries);

/**
 * Lists the tasks of a domain.
 *
 * Parameters:
 *   domain     the domain
 *   tasks      gets the list: mb_tasks_count(), mb_tasks_at()
 *
 * Status:    MB_OK, MB_INVALID, MB_INTERNAL
 * Ownership: the list is the caller's until mb_tasks_free(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_domain_tasks(const mb_domain *domain, mb_tasks **tasks);

/**
 * How many tasks a list has.
 *
 * Parameters:
 *   tasks      the list
 *
 * Returns:   their number; 0 if tasks is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
size_t mb_tasks_count(const mb_tasks *tasks);

/**
 * One task of a list.
 *
 * Parameters:
 *   tasks      the list
 *   index      which, from 0
 *
 * Returns:   the task; NULL if there are not so many, or if tasks is NULL or misaligned
 *            (mb_last_error() says which)
 * Ownership: it is the list's, and valid until mb_tasks_free()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const mb_task *mb_tasks_at(const mb_tasks *tasks, size_t index);

/**
 * Frees a list.
 *
 * Parameters:
 *   tasks      the list, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the list
 * Blocking:  never
 * Threads:   no other thread may be using the list
 * Fork:      the child frees its own copy only
 */
mb_status mb_tasks_free(mb_tasks *tasks);

/* ==== Functions: ports ====================================================================== */

/**
 * Makes a port in the default domain.
 *
 * Parameters:
 *   name       1 to 200 bytes of [A-Za-z0-9._-], the first one a letter or digit
 *   options    NULL: the defaults
 *   port       gets the handle
 *
 * Status:    MB_OK, MB_BAD_NAME, MB_ALREADY_EXISTS, MB_NO_SPACE, MB_INVALID (also a short size,
 *            unknown bits in flags, a figure or mode out of its range), MB_TIMEOUT (as
 *            mb_port_delete()), MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
 * Ownership: name and options stay the caller's; the handle is the caller's until
 *            mb_port_close(); on failure there is none, and no port was made
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child may go on using the handle; it becomes a user of its own at the next use
 */
mb_status mb_port_create(const char *name,
                         const mb_port_options *options,
                         mb_port **port);

/**
 * mb_port_create() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, options, port   as mb_port_create()
 *
 * Status:    those of mb_port_create()
 * Ownership: as mb_port_create(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_port_create()
 */
mb_status mb_port_create_in(const mb_domain *domain,
                            const char *name,
                            const mb_port_options *options,
                            mb_port **port);

/**
 * Opens a port of the default domain.
 *
 * Parameters:
 *   name       its name
 *   port       gets the handle
 *
 * Status:    MB_OK, MB_NOT_FOUND (also when its owner has gone), MB_BAD_NAME, MB_NOT_PERMITTED,
 *            MB_WRONG_TYPE, MB_CORRUPT, MB_VERSION, MB_TOO_MANY (users), MB_TIMEOUT (as
 *            mb_port_delete()), MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
 * Ownership: name stays the caller's; the handle is the caller's until mb_port_close(); on
 *            failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child may go on using the handle; it becomes a user of its own at the next use
 */
mb_status mb_port_open(const char *name, mb_port **port);

/**
 * mb_port_open() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, port   as mb_port_open()
 *
 * Status:    those of mb_port_open()
 * Ownership: as mb_port_open(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_port_open()
 */
mb_status mb_port_open_in(const mb_domain *domain,
                          const char *name,
                          mb_port **port);

/**
 * Opens a port of the default domain, and makes it if there is none of this name. One that is
 * there is taken as it is: the options count only for a new one.
 *
 * Parameters:
 *   name       its name
 *   options    for a new one; NULL: the defaults
 *   port       gets the handle
 *
 * Status:    those of mb_port_open() and mb_port_create(), but MB_NOT_FOUND and MB_ALREADY_EXISTS
 *            only when others make and delete it all the time
 * Ownership: as mb_port_create()
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_port_create()
 */
mb_status mb_port_open_or_create(const char *name,
                                 const mb_port_options *options,
                                 mb_port **port);

/**
 * mb_port_open_or_create() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, options, port   as mb_port_open_or_create()
 *
 * Status:    those of mb_port_open_or_create()
 * Ownership: as mb_port_create(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_port_create()
 */
mb_status mb_port_open_or_create_in(const mb_domain *domain,
                                    const char *name,
                                    const mb_port_options *options,
                                    mb_port **port);

/**
 * Deletes a port of the default domain. All its users get MB_CLOSED at once, those that are
 * waiting too; messages that were still queued are gone. The name is free at once.
 *
 * Parameters:
 *   name       its name
 *
 * Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_TIMEOUT (another
 *            process was stopped while it removed this name; the port is deleted all the same),
 *            MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
 * Ownership: handles stay their owners', who close them as usual
 * Blocking:  at most a second, while another process removes the same name
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_port_delete(const char *name);

/**
 * mb_port_delete() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name       the port's name
 *
 * Status:    those of mb_port_delete()
 * Ownership: as mb_port_delete(); the domain stays the caller's
 * Blocking:  as mb_port_delete()
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_port_delete_in(const mb_domain *domain, const char *name);

/**
 * Lets a port go. The port itself stays, with the messages queued in it, unless it was made with
 * MB_PORT_OWNED_BY_TASK and this is the handle that made it: then it is deleted.
 *
 * Parameters:
 *   port       the handle, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the handle; loans and receipts of it stay usable
 * Blocking:  never
 * Threads:   no other thread may be using the handle, waiting in it included
 * Fork:      the child closes its own copy only
 */
mb_status mb_port_close(mb_port *port);

/**
 * The name of a port.
 *
 * Parameters:
 *   port       the port
 *
 * Returns:   its name, "" for a queue in a segment; NULL if port is NULL or misaligned
 *            (mb_last_error() says which)
 * Ownership: the text is the handle's and valid until mb_port_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_port_name(const mb_port *port);

/**
 * What a port is called in error sentences: its name and where it is.
 *
 * Parameters:
 *   port       the port, or queue in a segment
 *
 * Returns:   the words; NULL if port is NULL or misaligned (mb_last_error() says which)
 * Ownership: the text is the handle's and valid until mb_port_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_port_label(const mb_port *port);

/**
 * How many messages may be queued in a port.
 *
 * Parameters:
 *   port       the port
 *
 * Returns:   messages; 0 if port is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint32_t mb_port_capacity(const mb_port *port);

/**
 * The largest message that a port takes.
 *
 * Parameters:
 *   port       the port
 *
 * Returns:   bytes; 0 if port is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint64_t mb_port_max_message(const mb_port *port);

/**
 * How many messages are queued in a port just now. Others may change that at any moment.
 *
 * Parameters:
 *   port       the port
 *
 * Returns:   messages; 0 if port is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint64_t mb_port_queued(const mb_port *port);

/**
 * Whether a port was deleted, or its owner has gone.
 *
 * Parameters:
 *   port       the port
 *
 * Returns:   true if it is closed; false if not, or if port is NULL or misaligned
 *            (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
bool mb_port_is_closed(const mb_port *port);

/**
 * Says whether signals end the waiting of calls on this handle. As a handle comes they do not:
 * a call goes on waiting after a signal handler ran.
 *
 * When they do, a call that waits ends with MB_INTERRUPTED, having changed nothing, soon after a
 * signal handler ran in its thread. It may also do so without a signal, about every 100 ms, so
 * that a signal that came just before the waiting began is not missed. Look whether your handler
 * ran, then call again with the time that remains.
 *
 * Parameters:
 *   port       the port
 *   on         1: signals end the waiting; 0: they do not
 *
 * Status:    MB_OK, MB_INVALID, MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once; a call that is waiting already keeps to what held when it began
 * Fork:      the child's copy of the handle keeps the setting
 */
mb_status mb_port_set_interruptible(const mb_port *port,
                                    int32_t on);

/**
 * Figures about a port. It looks at every message buffer, so do not ask after every message; the
 * dead are noticed and cleared up on the way.
 *
 * Parameters:
 *   port       the port, or queue in a segment
 *   stats      gets the figures, each read at its own moment; its size must be set
 *              (MB_PORT_STATS_INIT)
 *
 * Status:    MB_OK, MB_CORRUPT, MB_LEASE_LOST, MB_INVALID, MB_SYSTEM, MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_port_stat(const mb_port *port,
                       mb_port_stats *stats);

/**
 * Which tasks have a port open: an id for each handle, so a task with two handles is there twice.
 *
 * Parameters:
 *   port       the port, or queue in a segment
 *   tasks      gets as many ids as fit; may be NULL when max is 0
 *   max        how many fit
 *   count      gets how many there are, which may be more than max
 *
 * Status:    MB_OK, MB_CORRUPT, MB_LEASE_LOST, MB_INVALID, MB_SYSTEM, MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_port_users(const mb_port *port,
                        uint64_t *tasks,
                        size_t max,
                        size_t *count);

/* ==== Functions: sending and receiving ====================================================== */

/**
 * Sends a message, with kind 0. It is copied into the port, and outlives this process.
 *
 * Parameters:
 *   port         the port
 *   data         the body; may be NULL when length is 0
 *   length       bytes, 0 to mb_port_max_message()
 *   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
 *
 * Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE, MB_NO_SPACE,
 *            MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID,
 *            MB_SYSTEM, MB_INTERNAL
 * Ownership: data stays the caller's; on failure nothing was sent
 * Blocking:  as timeout_ns says, while the port is full
 * Threads:   any, at once
 * Fork:      the child sends as a task of its own
 */
mb_status mb_port_send(const mb_port *port,
                       const void *data,
                       size_t length,
                       int64_t timeout_ns);

/**
 * Sends a message with a kind, and tells its id.
 *
 * Parameters:
 *   port         the port
 *   data         the body; may be NULL when length is 0
 *   length       bytes, 0 to mb_port_max_message()
 *   kind         a number of your own
 *   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
 *   id           gets the message's id, unique in the domain; may be NULL
 *
 * Status:    those of mb_port_send()
 * Ownership: data stays the caller's; on failure nothing was sent
 * Blocking:  as timeout_ns says, while the port is full
 * Threads:   any, at once
 * Fork:      the child sends as a task of its own
 */
mb_status mb_port_send_message(const mb_port *port,
                               const void *data,
                               size_t length,
                               uint32_t kind,
                               int64_t timeout_ns,
                               uint64_t *id);

/**
 * Sends several messages in one call, in their order. It stops at the first that cannot be sent
 * in time.
 *
 * Parameters:
 *   port         the port
 *   messages     the messages; may be NULL when count is 0
 *   count        how many
 *   timeout_ns   how long to wait in all while the port is full, in nanoseconds; MB_TRY,
 *                MB_FOREVER
 *   sent         gets how many were sent: the first so many of messages
 *
 * Status:    MB_OK when at least one was sent, or count is 0. Else what stopped the first:
 *            the statuses of mb_port_send(). MB_INVALID (then none was sent) also for unknown
 *            bits in flags of any of them
 * Ownership: messages and their data stay the caller's; what was not sent is the caller's to
 *            send again
 * Blocking:  as timeout_ns says, while the port is full
 * Threads:   any, at once; messages of other threads may come between
 * Fork:      the child sends as a task of its own
 */
mb_status mb_port_send_many(const mb_port *port,
                            const mb_outgoing *messages,
                            size_t count,
                            int64_t timeout_ns,
                            size_t *sent);

/**
 * Receives a message: copies its body out and acknowledges it.
 *
 * Parameters:
 *   port         the port
 *   buffer       gets the body; may be NULL when capacity is 0
 *   capacity     its size in bytes
 *   length       gets the length of the body in bytes
 *   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
 *
 * Status:    MB_OK, MB_EMPTY (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE (the body does
 *            not fit; mb_last_error_bytes() says what it needs), MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID, MB_SYSTEM,
 *            MB_INTERNAL
 * Ownership: on success the message is gone from the port; on failure none was taken: one that
 *            does not fit stays where it was. What is in the buffer after a failure is undefined
 * Blocking:  as timeout_ns says, while the port is empty
 * Threads:   any, at once; each message goes to one of them
 * Fork:      the child receives as a task of its own
 */
mb_status mb_port_receive(const mb_port *port,
                          void *buffer,
                          size_t capacity,
                          size_t *length,
                          int64_t timeout_ns);

/**
 * Receives a message with what it says about itself.
 *
 * Parameters:
 *   port         the port
 *   buffer       gets the body; may be NULL when capacity is 0
 *   capacity     its size in bytes
 *   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
 *   header       gets length, kind, id, sender and the rest
 *
 * Status:    those of mb_port_receive()
 * Ownership: as mb_port_receive()
 * Blocking:  as timeout_ns says, while the port is empty
 * Threads:   any, at once; each message goes to one of them
 * Fork:      the child receives as a task of its own
 */
mb_status mb_port_receive_message(const mb_port *port,
                                  void *buffer,
                                  size_t capacity,
                                  int64_t timeout_ns,
                                  mb_header *header);

/**
 * Receives several messages in one call: waits for the first, then takes what more is there, as
 * far as it fits. The bodies lie one after the other in the buffer; body i is headers[i].length
 * bytes at headers[i].offset.
 *
 * Parameters:
 *   port         the port
 *   buffer       gets the bodies; may be NULL when capacity is 0
 *   capacity     its size in bytes
 *   headers      gets what each message says about itself
 *   max          how many headers fit, at least 1
 *   timeout_ns   how long to wait for the first, in nanoseconds; MB_TRY, MB_FOREVER
 *   received     gets how many were received, at least 1
 *
 * Status:    those of mb_port_receive(); MB_TOO_LARGE when the first body does not fit
 * Ownership: on success the messages received are gone from the port; on failure none was taken.
 *            What is in buffer and headers after a failure is undefined
 * Blocking:  as timeout_ns says, while the port is empty
 * Threads:   any, at once; each message goes to one of them
 * Fork:      the child receives as a task of its own
 */
mb_status mb_port_receive_many(const mb_port *port,
                               void *buffer,
                               size_t capacity,
                               mb_header *headers,
                               size_t max,
                               int64_t timeout_ns,
                               size_t *received);

/* ==== Functions: loans, messages written in place =========================================== */

/**
 * Borrows memory in a port for a message, to be written in place.
 *
 * Parameters:
 *   port         the port
 *   size         bytes that will be needed at most, 0 to mb_port_max_message()
 *   timeout_ns   how long to wait while all buffers are in use, in nanoseconds; MB_TRY, MB_FOREVER
 *   loan         gets the loan: mb_loan_data(), mb_loan_capacity()
 *
 * Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_TOO_LARGE, MB_NO_SPACE,
 *            MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID,
 *            MB_SYSTEM, MB_INTERNAL
 * Ownership: the loan is the caller's until it is committed or discarded; on failure there is none
 * Blocking:  as timeout_ns says, while all buffers of the size are in use
 * Threads:   any, at once
 * Fork:      the child borrows as a task of its own; what the parent had borrowed stays the
 *            parent's
 */
mb_status mb_port_loan(const mb_port *port,
                       uint64_t size,
                       int64_t timeout_ns,
                       mb_loan **loan);

/**
 * Where to write a message that is on loan.
 *
 * Parameters:
 *   loan       the loan
 *
 * Returns:   the address of mb_loan_capacity() bytes, at a border of 64 bytes; what they contain
 *            is undefined. NULL if loan is NULL or misaligned (mb_last_error() says which)
 * Ownership: the memory is the loan's: it must not be touched after mb_loan_commit() succeeded,
 *            or after mb_loan_discard()
 * Blocking:  never
 * Threads:   one at a time for each loan
 * Fork:      the memory is the parent's: the child must not write it
 */
void *mb_loan_data(const mb_loan *loan);

/**
 * How many bytes a loan has room for.
 *
 * Parameters:
 *   loan       the loan
 *
 * Returns:   bytes, the size that was asked for; 0 if loan is NULL or misaligned (mb_last_error()
 *            says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   one at a time for each loan
 * Fork:      no restriction
 */
uint64_t mb_loan_capacity(const mb_loan *loan);

/**
 * Copies bytes into a loan, within its bounds.
 *
 * Parameters:
 *   loan       the loan
 *   offset     where to begin, in bytes from the beginning of the body
 *   data       the bytes; may be NULL when length is 0
 *   length     how many
 *
 * Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the loan), MB_FORKED,
 *            MB_INTERNAL
 * Ownership: data and loan stay the caller's; on failure nothing was written
 * Blocking:  never
 * Threads:   one at a time for each loan
 * Fork:      the memory is the parent's: in the child MB_FORKED
 */
mb_status mb_loan_write(mb_loan *loan, uint64_t offset, const void *data, size_t length);

/**
 * Sends a loan as a message.
 *
 * Parameters:
 *   loan         the loan
 *   length       how many of its bytes are the body, 0 to mb_loan_capacity()
 *   kind         a number of your own
 *   timeout_ns   how long to wait while the port is full, in nanoseconds; MB_TRY, MB_FOREVER
 *   id           gets the message's id, unique in the domain; may be NULL
 *
 * Status:    MB_OK, MB_FULL (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_FORKED, MB_LEASE_LOST,
 *            MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID (also a length beyond the
 *            capacity), MB_SYSTEM, MB_INTERNAL
 * Ownership: takes the loan on MB_OK only. After every other status it is still the caller's, as
 *            it was: commit it again or discard it
 * Blocking:  as timeout_ns says, while the port is full
 * Threads:   one at a time for each loan
 * Fork:      MB_FORKED in the child
 */
mb_status mb_loan_commit(mb_loan *loan,
                         uint64_t length,
                         uint32_t kind,
                         int64_t timeout_ns,
                         uint64_t *id);

/**
 * Gives a loan up: its memory goes back to the port, nothing is sent.
 *
 * Parameters:
 *   loan       the loan, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the loan
 * Blocking:  never
 * Threads:   no other thread may be using the loan
 * Fork:      in the child it frees the child's handle only; the parent's loan stays as it is
 */
mb_status mb_loan_discard(mb_loan *loan);

/* ==== Functions: receipts, messages in hand ================================================= */

/**
 * Takes a message from a port, to be read in place and acknowledged afterwards.
 *
 * Parameters:
 *   port         the port
 *   timeout_ns   how long to wait while the port is empty, in nanoseconds; MB_TRY, MB_FOREVER
 *   receipt      gets the message: mb_receipt_data(), mb_receipt_length()
 *
 * Status:    MB_OK, MB_EMPTY (only with MB_TRY), MB_TIMEOUT, MB_CLOSED, MB_LEASE_LOST, MB_CORRUPT, MB_INTERRUPTED (only if set so), MB_INVALID, MB_SYSTEM,
 *            MB_INTERNAL
 * Ownership: the receipt is the caller's until mb_receipt_ack() or mb_receipt_nack(); on failure
 *            there is none, and no message was taken
 * Blocking:  as timeout_ns says, while the port is empty
 * Threads:   any, at once; each message goes to one of them
 * Fork:      the child takes as a task of its own; what the parent had taken stays the parent's
 */
mb_status mb_port_take(const mb_port *port,
                       int64_t timeout_ns,
                       mb_receipt **receipt);

/**
 * Takes several messages in one call: waits for the first, then takes what more is there.
 *
 * Parameters:
 *   port         the port
 *   timeout_ns   how long to wait for the first, in nanoseconds; MB_TRY, MB_FOREVER
 *   receipts     gets the messages
 *   max          how many fit, at least 1
 *   taken        gets how many were taken, at least 1
 *
 * Status:    those of mb_port_take()
 * Ownership: each receipt is the caller's until mb_receipt_ack() or mb_receipt_nack(); on failure
 *            there are none, and receipts is as it was
 * Blocking:  as timeout_ns says, while the port is empty
 * Threads:   any, at once; each message goes to one of them
 * Fork:      as mb_port_take()
 */
mb_status mb_port_take_many(const mb_port *port,
                            int64_t timeout_ns,
                            mb_receipt **receipts,
                            size_t max,
                            size_t *taken);

/**
 * The body of a message in hand, in the port's memory.
 *
 * A sender that misbehaves could still write there. If you do not trust the senders, copy the
 * body out first (mb_receipt_copy()), then check it.
 *
 * Parameters:
 *   receipt    the message
 *
 * Returns:   the address of mb_receipt_length() bytes, at a border of 64 bytes; never NULL for a
 *            good receipt. NULL if receipt is NULL or misaligned (mb_last_error() says which)
 * Ownership: the memory is the receipt's, to be read only, and valid until mb_receipt_ack() or
 *            mb_receipt_nack()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      the memory is the parent's: it may be used again as soon as the parent acknowledges
 */
const void *mb_receipt_data(const mb_receipt *receipt);

/**
 * The length of a message in hand.
 *
 * Parameters:
 *   receipt    the message
 *
 * Returns:   bytes; 0 if receipt is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
size_t mb_receipt_length(const mb_receipt *receipt);

/**
 * What a message in hand says about itself.
 *
 * Parameters:
 *   receipt    the message
 *   header     gets length, kind, id, sender and the rest
 *
 * Status:    MB_OK, MB_INVALID, MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_receipt_header(const mb_receipt *receipt, mb_header *header);

/**
 * Copies bytes of a message in hand, within its bounds.
 *
 * Parameters:
 *   receipt    the message
 *   offset     where to begin, in bytes from the beginning of the body
 *   buffer     gets the bytes; may be NULL when length is 0
 *   length     how many
 *
 * Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the body), MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      as mb_receipt_data()
 */
mb_status mb_receipt_copy(const mb_receipt *receipt,
                          uint64_t offset,
                          void *buffer,
                          size_t length);

/**
 * Acknowledges a message: it was dealt with, and its memory goes back to the port.
 *
 * Parameters:
 *   receipt    the message, whose handle is gone afterwards
 *
 * Status:    MB_OK, MB_LEASE_LOST (it was given to another receiver meanwhile), MB_FORKED,
 *            MB_CORRUPT, MB_INVALID (NULL or misaligned; nothing was done), MB_SYSTEM, MB_INTERNAL
 * Ownership: takes the receipt, also when it fails, except with MB_INVALID
 * Blocking:  never
 * Threads:   no other thread may be using the receipt or its memory
 * Fork:      MB_FORKED in the child, which frees the child's handle; the parent's message stays in
 *            the parent's hands
 */
mb_status mb_receipt_ack(mb_receipt *receipt);

/**
 * Gives a message back: the next receiver gets it, flagged MB_MESSAGE_REDELIVERED. It comes before
 * the messages that are queued.
 *
 * Parameters:
 *   receipt    the message, whose handle is gone afterwards
 *
 * Status:    MB_OK, MB_LEASE_LOST (it was given to another receiver already), MB_FORKED,
 *            MB_CORRUPT, MB_INVALID (NULL or misaligned; nothing was done), MB_SYSTEM, MB_INTERNAL
 * Ownership: takes the receipt, also when it fails, except with MB_INVALID
 * Blocking:  never
 * Threads:   no other thread may be using the receipt or its memory
 * Fork:      MB_FORKED in the child, which frees the child's handle; the parent's message stays in
 *            the parent's hands
 */
mb_status mb_receipt_nack(mb_receipt *receipt);

/* ==== Functions: segments =================================================================== */

/**
 * Makes a segment in the default domain and attaches it for reading and writing. Its memory is
 * zero, and set aside before the call returns: using it never fails for lack of memory.
 *
 * Parameters:
 *   name       1 to 200 bytes of [A-Za-z0-9._-], the first one a letter or digit
 *   size       bytes, at least 1
 *   options    NULL: the defaults
 *   segment    gets the handle
 *
 * Status:    MB_OK, MB_BAD_NAME, MB_ALREADY_EXISTS, MB_NO_SPACE, MB_INVALID (also a size of 0 or
 *            beyond max_size, a max_size beyond 16 TiB), MB_TIMEOUT (as mb_segment_delete()),
 *            MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
 * Ownership: name and options stay the caller's; the handle is the caller's until
 *            mb_segment_close(); on failure there is none, and no segment was made
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child has the memory attached at the same address and may use the handle
 */
mb_status mb_segment_create(const char *name,
                            uint64_t size,
                            const mb_segment_options *options,
                            mb_segment **segment);

/**
 * mb_segment_create() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, size, options, segment   as mb_segment_create()
 *
 * Status:    those of mb_segment_create()
 * Ownership: as mb_segment_create(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_segment_create()
 */
mb_status mb_segment_create_in(const mb_domain *domain,
                               const char *name,
                               uint64_t size,
                               const mb_segment_options *options,
                               mb_segment **segment);

/**
 * Attaches a segment of the default domain.
 *
 * Parameters:
 *   name       its name
 *   access     MB_READ_ONLY or MB_READ_WRITE
 *   segment    gets the handle
 *
 * Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_CORRUPT,
 *            MB_VERSION, MB_TIMEOUT (as mb_segment_delete()), MB_INVALID, MB_SYSTEM, MB_INTERNAL;
 *            those of mb_domain_open()
 * Ownership: name stays the caller's; the handle is the caller's until mb_segment_close(); on
 *            failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child has the memory attached at the same address and may use the handle
 */
mb_status mb_segment_open(const char *name,
                          uint32_t access,
                          mb_segment **segment);

/**
 * mb_segment_open() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, access, segment   as mb_segment_open()
 *
 * Status:    those of mb_segment_open()
 * Ownership: as mb_segment_open(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_segment_open()
 */
mb_status mb_segment_open_in(const mb_domain *domain,
                             const char *name,
                             uint32_t access,
                             mb_segment **segment);

/**
 * Attaches a segment of the default domain for reading and writing, and makes it if there is none
 * of this name. One that is there is taken as it is: size and options count only for a new one.
 *
 * Parameters:
 *   name       its name
 *   size       bytes, at least 1, for a new one
 *   options    for a new one; NULL: the defaults
 *   segment    gets the handle
 *
 * Status:    those of mb_segment_open() and mb_segment_create(), but MB_NOT_FOUND and
 *            MB_ALREADY_EXISTS only when others make and delete it all the time
 * Ownership: as mb_segment_create()
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_segment_create()
 */
mb_status mb_segment_open_or_create(const char *name,
                                    uint64_t size,
                                    const mb_segment_options *options,
                                    mb_segment **segment);

/**
 * mb_segment_open_or_create() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name, size, options, segment   as mb_segment_open_or_create()
 *
 * Status:    those of mb_segment_open_or_create()
 * Ownership: as mb_segment_create(); the domain stays the caller's
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      as mb_segment_create()
 */
mb_status mb_segment_open_or_create_in(const mb_domain *domain,
                                       const char *name,
                                       uint64_t size,
                                       const mb_segment_options *options,
                                       mb_segment **segment);

/**
 * Deletes a segment of the default domain. The name is free at once; the memory lives until the
 * last user has closed it.
 *
 * Parameters:
 *   name       its name
 *
 * Status:    MB_OK, MB_NOT_FOUND, MB_BAD_NAME, MB_NOT_PERMITTED, MB_WRONG_TYPE, MB_TIMEOUT (another
 *            process was stopped while it removed this name; the segment is deleted all the
 *            same), MB_INVALID, MB_SYSTEM, MB_INTERNAL; those of mb_domain_open()
 * Ownership: handles stay their owners' and usable, queues in the segment too
 * Blocking:  at most a second, while another process removes the same name
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_segment_delete(const char *name);

/**
 * mb_segment_delete() in a domain of your choice.
 *
 * Parameters:
 *   domain     the domain
 *   name       the segment's name
 *
 * Status:    those of mb_segment_delete()
 * Ownership: as mb_segment_delete(); the domain stays the caller's
 * Blocking:  as mb_segment_delete()
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_segment_delete_in(const mb_domain *domain, const char *name);

/**
 * Detaches a segment: its address is no longer valid, unless a queue in it is still open.
 *
 * Parameters:
 *   segment    the handle, which is gone afterwards
 *
 * Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
 * Ownership: takes the handle
 * Blocking:  never
 * Threads:   no other thread may be using the handle, or the memory through its address
 * Fork:      the child detaches its own copy only
 */
mb_status mb_segment_close(mb_segment *segment);

/**
 * The name of a segment.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   its name; NULL if segment is NULL or misaligned (mb_last_error() says which)
 * Ownership: the text is the handle's and valid until mb_segment_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
const char *mb_segment_name(const mb_segment *segment);

/**
 * The address of a segment's memory in this process. It stays the same while the segment is
 * attached, also when the segment grows; in another process it may be another. Store offsets in
 * shared memory, not pointers.
 *
 * Other processes may change the memory at any moment: read a word once, then check it, then use
 * it. mb_segment_read() and mb_segment_write() check the bounds for you.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   the address, at a page's border; NULL if segment is NULL or misaligned
 *            (mb_last_error() says which)
 * Ownership: the memory is shared by its users; the address is valid until mb_segment_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      valid in the child too
 */
void *mb_segment_address(const mb_segment *segment);

/**
 * How many bytes of a segment can be used now. Any user may make it grow meanwhile.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   bytes; 0 if segment is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint64_t mb_segment_size(const mb_segment *segment);

/**
 * How far a segment may grow.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   bytes; 0 if segment is NULL or misaligned (mb_last_error() says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint64_t mb_segment_max_size(const mb_segment *segment);

/**
 * How a segment is attached.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   MB_READ_ONLY or MB_READ_WRITE; 0 if segment is NULL or misaligned (mb_last_error()
 *            says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
uint32_t mb_segment_access(const mb_segment *segment);

/**
 * Whether a segment was deleted. It stays usable by those who have it attached.
 *
 * Parameters:
 *   segment    the segment
 *
 * Returns:   true if it was; false if not, or if segment is NULL or misaligned (mb_last_error()
 *            says which)
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
bool mb_segment_is_deleted(const mb_segment *segment);

/**
 * Makes a segment larger, for all its users. The new memory is zero, and set aside before the
 * call returns. Asking for no more than there is does nothing.
 *
 * Parameters:
 *   segment    the segment
 *   size       its new size in bytes, at most mb_segment_max_size()
 *
 * Status:    MB_OK, MB_TOO_LARGE, MB_NO_SPACE, MB_NOT_PERMITTED (attached for reading only),
 *            MB_CORRUPT, MB_INVALID, MB_SYSTEM, MB_INTERNAL
 * Ownership: nothing changes hands; on failure the size is as before
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_segment_grow(const mb_segment *segment, uint64_t size);

/**
 * Copies bytes out of a segment, within its bounds.
 *
 * Parameters:
 *   segment    the segment
 *   offset     where to begin, in bytes from the segment's beginning
 *   buffer     gets the bytes; may be NULL when length is 0
 *   length     how many
 *
 * Status:    MB_OK, MB_INVALID (also when offset and length reach beyond the segment),
 *            MB_INTERNAL
 * Ownership: nothing changes hands
 * Blocking:  never
 * Threads:   any, at once; what another thread or process writes meanwhile is seen in part
 * Fork:      no restriction
 */
mb_status mb_segment_read(const mb_segment *segment,
                          uint64_t offset,
                          void *buffer,
                          size_t length);

/**
 * Copies bytes into a segment, within its bounds.
 *
 * Parameters:
 *   segment    the segment
 *   offset     where to begin, in bytes from the segment's beginning
 *   data       the bytes; may be NULL when length is 0
 *   length     how many
 *
 * Status:    MB_OK, MB_NOT_PERMITTED (attached for reading only), MB_INVALID (also when offset
 *            and length reach beyond the segment), MB_INTERNAL
 * Ownership: nothing changes hands; on failure nothing was written
 * Blocking:  never
 * Threads:   any, at once; others see the bytes arrive in any order
 * Fork:      no restriction
 */
mb_status mb_segment_write(const mb_segment *segment,
                           uint64_t offset,
                           const void *data,
                           size_t length);

/* ==== Functions: queues in segments ========================================================= */

/**
 * How many bytes of a segment a queue needs, from its offset on. Only a part of it needs memory at
 * first; the queue sees to that itself.
 *
 * Parameters:
 *   options    of the queue; NULL: the defaults
 *   size       gets the bytes, a multiple of 4096
 *
 * Status:    MB_OK, MB_INVALID, MB_INTERNAL
 * Ownership: the options stay the caller's
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_queue_required_size(const mb_port_options *options,
                                 uint64_t *size);

/**
 * Makes a queue in a segment, and opens it. The place must be zero, as new segments are; it may
 * reach beyond the segment's size, but not beyond mb_segment_max_size(). Leave the bytes from
 * offset to offset + mb_queue_required_size() to it from then on.
 *
 * All functions for messages work on the handle; mb_port_close() closes it.
 *
 * Parameters:
 *   segment    the segment, attached for reading and writing
 *   offset     where the queue begins: a multiple of 4096
 *   options    NULL: the defaults, which need a large segment (mb_queue_required_size())
 *   port       gets the handle
 *
 * Status:    MB_OK, MB_ALREADY_EXISTS (something is there), MB_TOO_LARGE (for the segment),
 *            MB_NOT_PERMITTED (attached for reading only), MB_NO_SPACE, MB_INVALID (also offset no
 *            multiple of 4096, or a figure of the options out of its range), MB_SYSTEM, MB_INTERNAL
 * Ownership: segment and options stay the caller's, and the segment may be closed before the
 *            handle, which is the caller's until mb_port_close(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once, but only one may make a queue in one place
 * Fork:      the child may go on using the handle; it becomes a user of its own at the next use
 */
mb_status mb_queue_create(const mb_segment *segment,
                          uint64_t offset,
                          const mb_port_options *options,
                          mb_port **port);

/**
 * Opens a queue that is in a segment.
 *
 * Parameters:
 *   segment    the segment, attached for reading and writing
 *   offset     where the queue begins
 *   port       gets the handle
 *
 * Status:    MB_OK, MB_NOT_FOUND (nothing there), MB_CORRUPT (something else is there), MB_VERSION,
 *            MB_NOT_PERMITTED (attached for reading only), MB_TOO_MANY (users), MB_NO_SPACE,
 *            MB_INVALID, MB_SYSTEM, MB_INTERNAL
 * Ownership: the segment stays the caller's and may be closed before the handle, which is the
 *            caller's until mb_port_close(); on failure there is none
 * Blocking:  never waits for other tasks
 * Threads:   any, at once
 * Fork:      the child may go on using the handle; it becomes a user of its own at the next use
 */
mb_status mb_queue_open(const mb_segment *segment,
                        uint64_t offset,
                        mb_port **port);

/**
 * Closes a queue in a segment for all its users, for ever: what mb_port_delete() is for a port.
 * They get MB_CLOSED at once, those that are waiting too; messages still queued are gone.
 *
 * Parameters:
 *   port       a handle from mb_queue_create() or mb_queue_open()
 *
 * Status:    MB_OK, MB_INVALID (also when it is a port: use mb_port_delete()), MB_INTERNAL
 * Ownership: the handle stays the caller's, until mb_port_close()
 * Blocking:  never
 * Threads:   any, at once
 * Fork:      no restriction
 */
mb_status mb_queue_shut(const mb_port *port);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* MAILBOAT_H */
