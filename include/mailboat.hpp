/*
 * mailboat.hpp - Mailboat for C++17 and later, on top of mailboat.h
 *
 * Licence: MIT OR Apache-2.0.
 *
 * Everything here is a thin, move-only owner of a handle of mailboat.h; read that header for the
 * words, the contracts in full, and the caveats (fork, permissions, what a crash leaves).
 *
 *   #include <mailboat.hpp>
 *   #include <iostream>
 *
 *   int main() {
 *     using namespace std::chrono_literals;
 *     auto orders = mailboat::port::open_or_create("orders");
 *     orders.send("hello");                            // waits while the port is full
 *     auto message = orders.receive(1s);               // throws mailboat::error after a second
 *     std::cout << message.text() << '\n';
 *
 *     orders.send("again");
 *     if (auto receipt = orders.try_take()) {          // read in place; nothing there: nullopt
 *       std::cout << receipt->text() << '\n';
 *       receipt->ack();                                // without it, the destructor gives it back
 *     }
 *   }
 *
 * Errors are thrown as mailboat::error, a std::system_error: code() compares with mailboat::errc
 * and, where one fits, with std::errc; what() is the sentence with the names and figures. The
 * try_ functions return std::optional, bool or a count instead when the port is full or empty or
 * the time runs out, and throw for everything else.
 *
 * Timeouts are std::chrono durations, or mailboat::forever. One of 0 or less does not wait; one
 * of more than 292 years is forever.
 *
 * Threads, fork, signals: as in mailboat.h. A destructor never throws and never waits. After
 * fork() the destructors of loans and receipts do nothing to the parent's in the child.
 */
#ifndef MAILBOAT_HPP
#define MAILBOAT_HPP

#include <mailboat.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__has_include)
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_span)
#include <span>
#endif

namespace mailboat {

// Files compiled with and without std::span may meet in one program: the inline namespace keeps
// their functions apart.
#if defined(__cpp_lib_span)
inline namespace with_std_span {
/** A view of a row of items. */
template <class T> using span = std::span<T>;
#else
inline namespace with_own_span {
/** A view of a row of items: what this header needs of std::span, until C++20. */
template <class T> class span {
public:
  using element_type = T;
  using value_type = std::remove_cv_t<T>;
  using iterator = T *;

  constexpr span() noexcept = default;
  constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N> constexpr span(T (&items)[N]) noexcept : span(items, N) {}
  /** From anything that has data() and size(): std::vector, std::array, another span. */
  template <class Items, class = std::enable_if_t<std::is_convertible_v<
                             std::remove_pointer_t<decltype(std::declval<Items &>().data())> (*)[],
                             T (*)[]>>>
  constexpr span(Items &&items) noexcept : span(items.data(), items.size()) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr std::size_t size_bytes() const noexcept { return size_ * sizeof(T); }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T &operator[](std::size_t index) const noexcept { return data_[index]; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr span first(std::size_t count) const noexcept { return {data_, count}; }
  constexpr span subspan(std::size_t from) const noexcept { return {data_ + from, size_ - from}; }
  constexpr span subspan(std::size_t from, std::size_t count) const noexcept {
    return {data_ + from, count};
  }

private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};
#endif

/* ---- Errors ------------------------------------------------------------------------------- */

/** Why a call failed; the numbers of mb_status. */
enum class errc : mb_status {
  full = MB_FULL,
  empty = MB_EMPTY,
  timeout = MB_TIMEOUT,
  closed = MB_CLOSED,
  peer_died = MB_PEER_DIED,
  not_permitted = MB_NOT_PERMITTED,
  too_large = MB_TOO_LARGE,
  no_space = MB_NO_SPACE,
  corrupt = MB_CORRUPT,
  version = MB_VERSION,
  not_found = MB_NOT_FOUND,
  already_exists = MB_ALREADY_EXISTS,
  bad_name = MB_BAD_NAME,
  invalid = MB_INVALID,
  wrong_type = MB_WRONG_TYPE,
  bad_domain = MB_BAD_DOMAIN,
  too_many = MB_TOO_MANY,
  lease_lost = MB_LEASE_LOST,
  forked = MB_FORKED,
  interrupted = MB_INTERRUPTED,
  system = MB_SYSTEM,
  internal = MB_INTERNAL
};

namespace detail {
class error_category final : public std::error_category {
public:
  const char *name() const noexcept override { return "mailboat"; }
  std::string message(int status) const override { return mb_status_text(status); }
  std::error_condition default_error_condition(int status) const noexcept override {
    switch (static_cast<errc>(status)) {
    case errc::full:
    case errc::empty: return std::errc::resource_unavailable_try_again;
    case errc::timeout: return std::errc::timed_out;
    case errc::closed: return std::errc::broken_pipe;
    case errc::peer_died: return std::errc::owner_dead;
    case errc::not_permitted: return std::errc::permission_denied;
    case errc::too_large: return std::errc::message_size;
    case errc::no_space: return std::errc::no_space_on_device;
    case errc::not_found: return std::errc::no_such_file_or_directory;
    case errc::already_exists: return std::errc::file_exists;
    case errc::bad_name:
    case errc::invalid: return std::errc::invalid_argument;
    case errc::interrupted: return std::errc::interrupted;
    default: return std::error_condition(status, *this);
    }
  }
};
} // namespace detail

/** The category of the codes of mailboat::error. */
inline const std::error_category &category() noexcept {
  static const detail::error_category instance;
  return instance;
}

inline std::error_code make_error_code(errc status) noexcept {
  return {static_cast<int>(status), category()};
}

/** What failing calls throw. */
class error : public std::system_error {
public:
  /** The last failure in this thread. */
  explicit error(mb_status status)
      : std::system_error(status, category()), sentence_(mb_last_error()),
        bytes_(mb_last_error_bytes()), os_error_(mb_last_error_errno()) {}

  /** Which one, for a switch. */
  errc status() const noexcept { return static_cast<errc>(code().value()); }
  /** The sentence, with names and figures: which limit, whose, how full, what to do. */
  const char *what() const noexcept override { return sentence_.what(); }
  /** After too_large or no_space: the bytes that would have been needed; else 0. */
  std::uint64_t bytes() const noexcept { return bytes_; }
  /** The errno that the operating system gave; 0 if it had no part in it. */
  int os_error() const noexcept { return os_error_; }

private:
  std::runtime_error sentence_; // a string whose copies cannot throw
  std::uint64_t bytes_;
  int os_error_;
};

namespace detail {
/** Throws unless it went well. */
inline void check(mb_status status) {
  if (status != MB_OK) throw error(status);
}
/** Whether it went well; throws unless it did, or the port was full or empty or time ran out. */
inline bool succeeded(mb_status status) {
  if (status == MB_FULL || status == MB_EMPTY || status == MB_TIMEOUT) return false;
  check(status);
  return true;
}
/** Ends a handle; a destructor has nobody to tell a failure to. */
template <auto End> struct ender {
  template <class Handle> void operator()(Handle *handle) const noexcept {
    static_cast<void>(End(handle));
  }
};
template <class Handle, auto End> using owned = std::unique_ptr<Handle, ender<End>>;
} // namespace detail

/* ---- Time and bytes ------------------------------------------------------------------------ */

/** How long a call may wait: any std::chrono duration, or forever. */
class timeout {
public:
  template <class Rep, class Period>
  constexpr timeout(std::chrono::duration<Rep, Period> duration) noexcept
      : ns_(nanoseconds(duration)) {}
  /** As the functions of mailboat.h want it. */
  constexpr std::int64_t ns() const noexcept { return ns_; }
  static constexpr timeout without_limit() noexcept { return timeout(MB_FOREVER); }

private:
  constexpr explicit timeout(std::int64_t ns) noexcept : ns_(ns) {}
  template <class Duration> static constexpr std::int64_t nanoseconds(Duration duration) noexcept {
    // In floating point, because the largest hours do not fit into nanoseconds.
    const double ns = std::chrono::duration<double, std::nano>(duration).count();
    if (!(ns > 0)) return MB_TRY;
    if (ns >= 9.2e18) return MB_FOREVER;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  }
  std::int64_t ns_;
};

/** Wait without limit. */
inline constexpr timeout forever = timeout::without_limit();
/** Do not wait. */
inline constexpr timeout no_wait = timeout(std::chrono::nanoseconds(0));

/** The bytes of a message to be sent: text, or any row of plain values. Nothing is copied, so what
 * it views must last as long as the call. */
class bytes_view {
public:
  constexpr bytes_view() noexcept = default;
  constexpr bytes_view(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
  /** Text, without the NUL at its end. */
  constexpr bytes_view(const char *text) noexcept : bytes_view(std::string_view(text)) {}
  constexpr bytes_view(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
  /** std::string, std::vector, std::array, a span, of values that can be copied as bytes. */
  template <class Items,
            class Item = std::remove_pointer_t<decltype(std::declval<const Items &>().data())>,
            class = std::enable_if_t<std::is_trivially_copyable_v<Item> &&
                                     !std::is_same_v<Items, bytes_view>>>
  constexpr bytes_view(const Items &items) noexcept
      : data_(items.data()), size_(items.size() * sizeof(Item)) {}

  constexpr const void *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }

private:
  const void *data_ = nullptr;
  std::size_t size_ = 0;
};

/* ---- Domain -------------------------------------------------------------------------------- */

/** How to open a domain; see mb_domain_options. */
struct domain_options {
  /** A name or an absolute path; none: MAILBOAT_DOMAIN, else "default". */
  std::optional<std::string> location = std::nullopt;
  /** Make it, if it is absent, for the members of a group: gid and mode count. */
  bool shared = false;
  std::uint32_t gid = 0;
  std::uint32_t mode = 0;
  /** 0: the default. */
  std::uint32_t max_tasks = 0;
};

/** An object of a domain; see mb_entry. */
struct entry {
  std::string name;
  /** MB_KIND_PORT or MB_KIND_SEGMENT. */
  std::uint32_t kind;
  std::uint64_t bytes;
  std::uint32_t uid;
  std::uint32_t mode;
};

/** A task of a domain; see mb_task. */
struct task_info {
  std::uint64_t id;
  std::uint32_t pid;
  bool alive;
  std::chrono::system_clock::time_point since;
  std::string program;
};

/** The place where names live; see mb_domain. */
class domain {
public:
  /** Opens the default domain. */
  static domain open() { return domain(static_cast<const char *>(nullptr)); }
  /** Opens a domain by its name or absolute path. */
  static domain open(const std::string &location) { return domain(location.c_str()); }
  /** Opens a domain as the options say. */
  static domain open(const domain_options &options) {
    mb_domain_options c = MB_DOMAIN_OPTIONS_INIT;
    c.location = options.location ? options.location->c_str() : nullptr;
    c.flags = options.shared ? MB_DOMAIN_SHARED : 0;
    c.gid = options.gid;
    c.mode = options.mode;
    c.max_tasks = options.max_tasks;
    mb_domain *handle;
    detail::check(mb_domain_open_with(&c, &handle));
    return domain(handle);
  }

  /** Its directory. */
  std::string path() const { return mb_domain_path(handle()); }
  /** The id of this process in it. */
  std::uint64_t task() const {
    std::uint64_t id;
    detail::check(mb_domain_task(handle(), &id));
    return id;
  }
  /** Figures. */
  mb_domain_stats stat() const {
    mb_domain_stats stats = MB_DOMAIN_STATS_INIT;
    detail::check(mb_domain_stat(handle(), &stats));
    return stats;
  }
  /** Its ports and segments, as they are now. */
  std::vector<entry> list() const {
    mb_entries *raw;
    detail::check(mb_domain_list(handle(), &raw));
    const detail::owned<mb_entries, mb_entries_free> entries(raw);
    std::vector<entry> out;
    for (std::size_t i = 0; i < mb_entries_count(raw); ++i) {
      const mb_entry &e = *mb_entries_at(raw, i);
      out.push_back({e.name, e.kind, e.bytes, e.uid, e.mode});
    }
    return out;
  }
  /** Its tasks, as they are now. */
  std::vector<task_info> tasks() const {
    mb_tasks *raw;
    detail::check(mb_domain_tasks(handle(), &raw));
    const detail::owned<mb_tasks, mb_tasks_free> tasks(raw);
    std::vector<task_info> out;
    for (std::size_t i = 0; i < mb_tasks_count(raw); ++i) {
      const mb_task &t = *mb_tasks_at(raw, i);
      const auto since = std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds(static_cast<std::int64_t>(t.since_ns)));
      out.push_back({t.id, t.pid, t.alive != 0, std::chrono::system_clock::time_point(since),
                     t.program});
    }
    return out;
  }
  /** The handle, for functions of mailboat.h; it stays this object's. */
  mb_domain *handle() const noexcept { return handle_.get(); }

private:
  explicit domain(mb_domain *handle) noexcept : handle_(handle) {}
  explicit domain(const char *location) {
    mb_domain *handle;
    detail::check(mb_domain_open(location, &handle));
    handle_.reset(handle);
  }
  detail::owned<mb_domain, mb_domain_close> handle_;
};

/* ---- Segment ------------------------------------------------------------------------------- */

/** How to make a segment; see mb_segment_options. */
struct segment_options {
  std::uint64_t max_size = 0;
  std::uint32_t mode = 0;
};

/** How to attach a segment. */
enum class access : std::uint32_t { read_only = MB_READ_ONLY, read_write = MB_READ_WRITE };

/** Named shared memory; see mb_segment. */
class segment {
public:
  /** Makes a segment; see mb_segment_create(). */
  static segment create(const std::string &name, std::uint64_t size,
                        const segment_options &options = {}) {
    const auto c = to_c(options);
    return make([&](auto *out) { return mb_segment_create(name.c_str(), size, &c, out); });
  }
  static segment create(const domain &in, const std::string &name, std::uint64_t size,
                        const segment_options &options = {}) {
    const auto c = to_c(options);
    return make([&](auto *out) {
      return mb_segment_create_in(in.handle(), name.c_str(), size, &c, out);
    });
  }
  /** Attaches a segment; see mb_segment_open(). */
  static segment open(const std::string &name, access as = access::read_write) {
    const auto number = static_cast<std::uint32_t>(as);
    return make([&](auto *out) { return mb_segment_open(name.c_str(), number, out); });
  }
  static segment open(const domain &in, const std::string &name, access as = access::read_write) {
    const auto number = static_cast<std::uint32_t>(as);
    return make(
        [&](auto *out) { return mb_segment_open_in(in.handle(), name.c_str(), number, out); });
  }
  /** Attaches a segment, and makes it if there is none; see mb_segment_open_or_create(). */
  static segment open_or_create(const std::string &name, std::uint64_t size,
                                const segment_options &options = {}) {
    const auto c = to_c(options);
    return make([&](auto *out) { return mb_segment_open_or_create(name.c_str(), size, &c, out); });
  }
  static segment open_or_create(const domain &in, const std::string &name, std::uint64_t size,
                                const segment_options &options = {}) {
    const auto c = to_c(options);
    return make([&](auto *out) {
      return mb_segment_open_or_create_in(in.handle(), name.c_str(), size, &c, out);
    });
  }
  /** Deletes a segment; see mb_segment_delete(). */
  static void remove(const std::string &name) { detail::check(mb_segment_delete(name.c_str())); }
  static void remove(const domain &in, const std::string &name) {
    detail::check(mb_segment_delete_in(in.handle(), name.c_str()));
  }

  std::string name() const { return mb_segment_name(handle()); }
  /** Bytes that can be used now. */
  std::uint64_t size() const noexcept { return mb_segment_size(handle()); }
  /** How far it may grow, in bytes. */
  std::uint64_t max_size() const noexcept { return mb_segment_max_size(handle()); }
  access how() const noexcept { return static_cast<access>(mb_segment_access(handle())); }
  bool is_deleted() const noexcept { return mb_segment_is_deleted(handle()); }
  /** Makes it larger, for all its users. */
  void grow(std::uint64_t size) { detail::check(mb_segment_grow(handle(), size)); }

  /** Its memory. Other processes may change it at any moment. Throws not_permitted if it is
   * attached for reading only. */
  span<std::byte> bytes() {
    // Writing nothing asks for the right to write, and words the refusal.
    detail::check(mb_segment_write(handle(), 0, nullptr, 0));
    return {static_cast<std::byte *>(mb_segment_address(handle())),
            static_cast<std::size_t>(size())};
  }
  /** Its memory, to be read only. Other processes may change it at any moment. */
  span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte *>(mb_segment_address(handle())),
            static_cast<std::size_t>(size())};
  }
  /** Copies bytes out, within its bounds. */
  void read(std::uint64_t offset, span<std::byte> out) const {
    detail::check(mb_segment_read(handle(), offset, out.data(), out.size()));
  }
  /** Copies bytes in, within its bounds. */
  void write(std::uint64_t offset, bytes_view data) {
    detail::check(mb_segment_write(handle(), offset, data.data(), data.size()));
  }
  /** The handle, for functions of mailboat.h; it stays this object's. */
  mb_segment *handle() const noexcept { return handle_.get(); }

private:
  template <class Make> static segment make(Make make) {
    mb_segment *handle;
    detail::check(make(&handle));
    segment out;
    out.handle_.reset(handle);
    return out;
  }
  static mb_segment_options to_c(const segment_options &options) noexcept {
    mb_segment_options c = MB_SEGMENT_OPTIONS_INIT;
    c.max_size = options.max_size;
    c.mode = options.mode;
    return c;
  }
  segment() = default;
  detail::owned<mb_segment, mb_segment_close> handle_;
};

/* ---- Messages ------------------------------------------------------------------------------ */

/** What a message says about itself; see mb_header. */
class header {
public:
  explicit header(const mb_header &c = {}) noexcept : c_(c) {}
  /** Length of the body in bytes. */
  std::size_t length() const noexcept { return static_cast<std::size_t>(c_.length); }
  /** A number of the sender's own. */
  std::uint32_t kind() const noexcept { return c_.kind; }
  /** Unique in the domain. */
  std::uint64_t id() const noexcept { return c_.id; }
  /** The task that sent it. */
  std::uint64_t sender() const noexcept { return c_.sender; }
  /** How often it was handed to a receiver before. */
  std::uint32_t redeliveries() const noexcept { return c_.redeliveries; }
  bool is_redelivered() const noexcept { return (c_.flags & MB_MESSAGE_REDELIVERED) != 0; }
  /** When it was sent, on ports that note the time. */
  std::optional<std::chrono::steady_clock::time_point> sent() const noexcept {
    if ((c_.flags & MB_MESSAGE_TIMESTAMPED) == 0) return std::nullopt;
    return std::chrono::steady_clock::time_point(
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(
            std::chrono::nanoseconds(static_cast<std::int64_t>(c_.sent_ns))));
  }
  const mb_header &c() const noexcept { return c_; }

private:
  mb_header c_;
};

/** A received message, copied out and acknowledged. */
class message {
public:
  message(const mailboat::header &about, std::vector<std::byte> body) noexcept
      : header_(about), body_(std::move(body)) {}
  const mailboat::header &header() const noexcept { return header_; }
  std::uint32_t kind() const noexcept { return header_.kind(); }
  std::uint64_t id() const noexcept { return header_.id(); }
  std::size_t size() const noexcept { return body_.size(); }
  /** The body. */
  const std::vector<std::byte> &body() const & noexcept { return body_; }
  std::vector<std::byte> body() && noexcept { return std::move(body_); }
  /** The body as text. */
  std::string_view text() const noexcept {
    return {reinterpret_cast<const char *>(body_.data()), body_.size()};
  }

private:
  mailboat::header header_;
  std::vector<std::byte> body_;
};

/** A message for queue::send_many(). */
struct outgoing {
  bytes_view body;
  std::uint32_t kind = 0;
};

/** A message being written in place; see mb_loan. Destroying it discards it. */
class loan {
public:
  /** Takes over a handle. */
  explicit loan(mb_loan *handle) noexcept : handle_(handle) {}

  /** Where to write; empty after it was committed or discarded. What is there is undefined. */
  span<std::byte> bytes() noexcept {
    if (!handle_) return {};
    return {static_cast<std::byte *>(mb_loan_data(handle())), capacity()};
  }
  std::size_t capacity() const noexcept {
    return handle_ ? static_cast<std::size_t>(mb_loan_capacity(handle())) : 0;
  }
  /** Copies bytes in, within its bounds. */
  void write(std::size_t offset, bytes_view data) {
    detail::check(mb_loan_write(handle(), offset, data.data(), data.size()));
  }
  /** Sends its first `length` bytes and returns the message's id. If that fails, the loan is as it
   * was: commit it again or let it go. */
  std::uint64_t commit(std::size_t length, std::uint32_t kind = 0, timeout wait = forever) {
    std::uint64_t id;
    detail::check(mb_loan_commit(handle(), length, kind, wait.ns(), &id));
    static_cast<void>(handle_.release());
    return id;
  }
  /** Sends all of it. */
  std::uint64_t commit() { return commit(capacity()); }
  /** The same; nothing if the port is full, or time runs out. */
  std::optional<std::uint64_t> try_commit(std::size_t length, std::uint32_t kind = 0,
                                          timeout wait = no_wait) {
    std::uint64_t id;
    if (!detail::succeeded(mb_loan_commit(handle(), length, kind, wait.ns(), &id))) {
      return std::nullopt;
    }
    static_cast<void>(handle_.release());
    return id;
  }
  /** Gives it up. */
  void discard() noexcept { handle_.reset(); }
  /** Whether there still is something to commit. */
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /** The handle, for functions of mailboat.h; it stays this object's. */
  mb_loan *handle() const noexcept { return handle_.get(); }

private:
  detail::owned<mb_loan, mb_loan_discard> handle_;
};

/** A message in hand, read in place; see mb_receipt. Destroying it gives it back. */
class receipt {
public:
  /** Takes over a handle. */
  explicit receipt(mb_receipt *handle) noexcept : handle_(handle) {}

  /** The body; empty after it was acknowledged or given back. */
  span<const std::byte> bytes() const noexcept {
    if (!handle_) return {};
    return {static_cast<const std::byte *>(mb_receipt_data(handle())),
            mb_receipt_length(handle())};
  }
  /** The body as text; no longer valid once it was acknowledged or given back. */
  std::string_view text() const noexcept {
    const auto body = bytes();
    return {reinterpret_cast<const char *>(body.data()), body.size()};
  }
  mailboat::header header() const {
    mb_header c;
    detail::check(mb_receipt_header(handle(), &c));
    return mailboat::header(c);
  }
  /** Copies bytes out, within its bounds. */
  void copy(std::size_t offset, span<std::byte> out) const {
    detail::check(mb_receipt_copy(handle(), offset, out.data(), out.size()));
  }
  /** A copy, still to be acknowledged. */
  message to_message() const {
    const auto about = header();
    std::vector<std::byte> body(about.length());
    copy(0, {body.data(), body.size()});
    return {about, std::move(body)};
  }
  /** Done with it. It is gone from this object also when this throws. */
  void ack() { detail::check(mb_receipt_ack(release())); }
  /** Gives it back to the port. It is gone from this object also when this throws. */
  void nack() { detail::check(mb_receipt_nack(release())); }
  /** Whether there still is a message in hand. */
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /** The handle, for functions of mailboat.h; it stays this object's. */
  mb_receipt *handle() const noexcept { return handle_.get(); }
  /** The handle, which is the caller's to end from now on. */
  mb_receipt *release() noexcept { return handle_.release(); }

private:
  detail::owned<mb_receipt, mb_receipt_nack> handle_;
};

/* ---- Queues and ports ---------------------------------------------------------------------- */

/** How to make a port or a queue; see mb_port_options. What is 0 means the default. */
struct port_options {
  std::uint32_t capacity = 0;
  std::uint32_t max_users = 0;
  std::uint64_t max_message = 0;
  std::uint64_t byte_budget = 0;
  bool timestamps = false;
  /** For ports only. */
  bool owned_by_task = false;
  /** For ports only. */
  std::uint32_t mode = 0;

  /** As the functions of mailboat.h want them. */
  mb_port_options c() const noexcept {
    mb_port_options out = MB_PORT_OPTIONS_INIT;
    out.capacity = capacity;
    out.max_users = max_users;
    out.max_message = max_message;
    out.byte_budget = byte_budget;
    out.flags = (timestamps ? std::uint32_t{MB_PORT_TIMESTAMPS} : 0) |
                (owned_by_task ? std::uint32_t{MB_PORT_OWNED_BY_TASK} : 0);
    out.mode = mode;
    return out;
  }
};

/** A queue that messages are sent to and received from: one in a segment, or a port. */
class queue {
public:
  /** Bytes of a segment that a queue needs. */
  static std::uint64_t required_size(const port_options &options = {}) {
    const auto c = options.c();
    std::uint64_t size;
    detail::check(mb_queue_required_size(&c, &size));
    return size;
  }
  /** Makes a queue in a segment; see mb_queue_create(). */
  static queue create(const segment &in, std::uint64_t offset, const port_options &options = {}) {
    const auto c = options.c();
    return queue([&](auto *out) { return mb_queue_create(in.handle(), offset, &c, out); });
  }
  /** Opens a queue in a segment; see mb_queue_open(). */
  static queue open(const segment &in, std::uint64_t offset) {
    return queue([&](auto *out) { return mb_queue_open(in.handle(), offset, out); });
  }
  /** Closes a queue in a segment for all its users; see mb_queue_shut(). */
  void shut() { detail::check(mb_queue_shut(handle())); }

  /** Sends a message, waiting while the port is full, and returns its id. */
  std::uint64_t send(bytes_view body, timeout wait = forever) { return send(body, 0, wait); }
  std::uint64_t send(bytes_view body, std::uint32_t kind, timeout wait = forever) {
    std::uint64_t id;
    detail::check(send_status(body, kind, wait, id));
    return id;
  }
  /** The same; nothing if the port is full, or time runs out. */
  std::optional<std::uint64_t> try_send(bytes_view body, timeout wait = no_wait) {
    return try_send(body, 0, wait);
  }
  std::optional<std::uint64_t> try_send(bytes_view body, std::uint32_t kind,
                                        timeout wait = no_wait) {
    std::uint64_t id;
    if (!detail::succeeded(send_status(body, kind, wait, id))) return std::nullopt;
    return id;
  }
  /** Sends several messages; returns how many of them, the first so many, at least 1. */
  std::size_t send_many(span<const outgoing> messages, timeout wait = forever) {
    std::size_t sent;
    detail::check(send_many_status(messages, wait, sent));
    return sent;
  }
  /** The same; 0 if the port is full, or time runs out. */
  std::size_t try_send_many(span<const outgoing> messages, timeout wait = no_wait) {
    std::size_t sent;
    return detail::succeeded(send_many_status(messages, wait, sent)) ? sent : 0;
  }

  /** Memory for a message, to be written in place. */
  mailboat::loan loan(std::size_t size, timeout wait = forever) {
    mb_loan *raw;
    detail::check(mb_port_loan(handle(), size, wait.ns(), &raw));
    return mailboat::loan(raw);
  }
  /** The same; nothing if all buffers are in use, or time runs out. */
  std::optional<mailboat::loan> try_loan(std::size_t size, timeout wait = no_wait) {
    mb_loan *raw;
    if (!detail::succeeded(mb_port_loan(handle(), size, wait.ns(), &raw))) return std::nullopt;
    return mailboat::loan(raw);
  }

  /** Receives a message, waiting while the port is empty. */
  message receive(timeout wait = forever) { return finished(take(wait)); }
  /** The same; nothing if the port is empty, or time runs out. */
  std::optional<message> try_receive(timeout wait = no_wait) {
    auto taken = try_take(wait);
    if (!taken) return std::nullopt;
    return finished(std::move(*taken));
  }
  /** Receives a message into memory of the caller's. Throws too_large, and leaves the message in
   * the port, if it does not fit. */
  header receive_into(span<std::byte> buffer, timeout wait = forever) {
    mb_header c;
    detail::check(
        mb_port_receive_message(handle(), buffer.data(), buffer.size(), wait.ns(), &c));
    return header(c);
  }
  /** The same; nothing if the port is empty, or time runs out. */
  std::optional<header> try_receive_into(span<std::byte> buffer, timeout wait = no_wait) {
    mb_header c;
    if (!detail::succeeded(
            mb_port_receive_message(handle(), buffer.data(), buffer.size(), wait.ns(), &c))) {
      return std::nullopt;
    }
    return header(c);
  }
  /** Waits for a message, then receives up to `max` of what is there. */
  std::vector<message> receive_many(std::size_t max, timeout wait = forever) {
    return finished(take_many(max, wait));
  }
  /** The same; none if the port is empty, or time runs out. */
  std::vector<message> try_receive_many(std::size_t max, timeout wait = no_wait) {
    return finished(try_take_many(max, wait));
  }

  /** Takes a message, to be read in place and acknowledged. */
  receipt take(timeout wait = forever) {
    mb_receipt *raw;
    detail::check(mb_port_take(handle(), wait.ns(), &raw));
    return receipt(raw);
  }
  /** The same; nothing if the port is empty, or time runs out. */
  std::optional<receipt> try_take(timeout wait = no_wait) {
    mb_receipt *raw;
    if (!detail::succeeded(mb_port_take(handle(), wait.ns(), &raw))) return std::nullopt;
    return receipt(raw);
  }
  /** Waits for a message, then takes up to `max` of what is there. */
  std::vector<receipt> take_many(std::size_t max, timeout wait = forever) {
    std::vector<receipt> out;
    detail::check(take_many_status(max, wait, out));
    return out;
  }
  /** The same; none if the port is empty, or time runs out. */
  std::vector<receipt> try_take_many(std::size_t max, timeout wait = no_wait) {
    std::vector<receipt> out;
    static_cast<void>(detail::succeeded(take_many_status(max, wait, out)));
    return out;
  }

  /** Messages that may be queued. */
  std::uint32_t capacity() const noexcept { return mb_port_capacity(handle()); }
  /** The largest message, in bytes. */
  std::uint64_t max_message() const noexcept { return mb_port_max_message(handle()); }
  /** Messages queued just now. */
  std::uint64_t queued() const noexcept { return mb_port_queued(handle()); }
  bool is_closed() const noexcept { return mb_port_is_closed(handle()); }
  /** What it is called in errors. */
  std::string label() const { return mb_port_label(handle()); }
  /** Figures. */
  mb_port_stats stat() const {
    mb_port_stats stats = MB_PORT_STATS_INIT;
    detail::check(mb_port_stat(handle(), &stats));
    return stats;
  }
  /** The tasks that have it open. */
  std::vector<std::uint64_t> users() const {
    std::vector<std::uint64_t> out;
    std::size_t count = 0;
    do {
      out.resize(count);
      detail::check(mb_port_users(handle(), out.data(), out.size(), &count));
    } while (count > out.size());
    out.resize(count);
    return out;
  }
  /** Whether signals end the waiting, with errc::interrupted; see mb_port_set_interruptible(). */
  void set_interruptible(bool on) {
    detail::check(mb_port_set_interruptible(handle(), on ? 1 : 0));
  }
  /** The handle, for functions of mailboat.h; it stays this object's. */
  mb_port *handle() const noexcept { return handle_.get(); }

protected:
  template <class Make, class = decltype(std::declval<Make>()(std::declval<mb_port **>()))>
  explicit queue(Make make) {
    mb_port *handle;
    detail::check(make(&handle));
    handle_.reset(handle);
  }

private:
  mb_status send_status(bytes_view body, std::uint32_t kind, timeout wait, std::uint64_t &id) {
    return mb_port_send_message(handle(), body.data(), body.size(), kind, wait.ns(), &id);
  }
  mb_status send_many_status(span<const outgoing> messages, timeout wait, std::size_t &sent) {
    std::vector<mb_outgoing> c;
    c.reserve(messages.size());
    for (const auto &m : messages) c.push_back({m.body.data(), m.body.size(), m.kind, 0});
    return mb_port_send_many(handle(), c.data(), c.size(), wait.ns(), &sent);
  }
  mb_status take_many_status(std::size_t max, timeout wait, std::vector<receipt> &out) {
    // Room for all is made before anything is taken, so that nothing can fail in between.
    std::vector<mb_receipt *> raw(max);
    out.reserve(max);
    std::size_t taken;
    const mb_status status = mb_port_take_many(handle(), wait.ns(), raw.data(), max, &taken);
    if (status == MB_OK) {
      for (std::size_t i = 0; i < taken; ++i) out.emplace_back(raw[i]);
    }
    return status;
  }
  static message finished(receipt taken) {
    auto out = taken.to_message();
    taken.ack();
    return out;
  }
  static std::vector<message> finished(std::vector<receipt> taken) {
    std::vector<message> copied;
    copied.reserve(taken.size());
    for (const auto &one : taken) copied.push_back(one.to_message());
    // One that cannot be acknowledged is another receiver's by now; the others are ours to return.
    std::vector<message> out;
    out.reserve(taken.size());
    mb_status failure = MB_OK;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const mb_status status = mb_receipt_ack(taken[i].release());
      if (status == MB_OK) {
        out.push_back(std::move(copied[i]));
      } else {
        failure = status;
      }
    }
    if (out.empty()) detail::check(failure);
    return out;
  }

  detail::owned<mb_port, mb_port_close> handle_;
};

/** A named mailbox; see mb_port. */
class port : public queue {
public:
  /** Makes a port; see mb_port_create(). */
  static port create(const std::string &name, const port_options &options = {}) {
    const auto c = options.c();
    return port([&](auto *out) { return mb_port_create(name.c_str(), &c, out); });
  }
  static port create(const domain &in, const std::string &name, const port_options &options = {}) {
    const auto c = options.c();
    return port([&](auto *out) { return mb_port_create_in(in.handle(), name.c_str(), &c, out); });
  }
  /** Opens a port; see mb_port_open(). */
  static port open(const std::string &name) {
    return port([&](auto *out) { return mb_port_open(name.c_str(), out); });
  }
  static port open(const domain &in, const std::string &name) {
    return port([&](auto *out) { return mb_port_open_in(in.handle(), name.c_str(), out); });
  }
  /** Opens a port, and makes it if there is none; see mb_port_open_or_create(). */
  static port open_or_create(const std::string &name, const port_options &options = {}) {
    const auto c = options.c();
    return port([&](auto *out) { return mb_port_open_or_create(name.c_str(), &c, out); });
  }
  static port open_or_create(const domain &in, const std::string &name,
                             const port_options &options = {}) {
    const auto c = options.c();
    return port([&](auto *out) {
      return mb_port_open_or_create_in(in.handle(), name.c_str(), &c, out);
    });
  }
  /** Deletes a port; its users get errc::closed. See mb_port_delete(). */
  static void remove(const std::string &name) { detail::check(mb_port_delete(name.c_str())); }
  static void remove(const domain &in, const std::string &name) {
    detail::check(mb_port_delete_in(in.handle(), name.c_str()));
  }

  std::string name() const { return mb_port_name(handle()); }

private:
  using queue::queue;
};

} // inline namespace
} // namespace mailboat

namespace std {
template <> struct is_error_code_enum<mailboat::errc> : true_type {};
} // namespace std

#endif // MAILBOAT_HPP
