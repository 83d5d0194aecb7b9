/*
 * The C++ driver: does what the line protocol asks (../README.md), through mailboat.hpp.
 */
#ifndef DRIVER_HPP
#define DRIVER_HPP

#include <mailboat.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using body_bytes = std::vector<std::byte>;

/** The request made no sense: a mistake in the test. */
struct protocol_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/* ---- wire.cc ---- */

class request {
public:
  std::string tag, thread, verb;
  std::vector<body_bytes> bodies;
  std::map<std::string, std::string> words;

  std::optional<std::string> get(const std::string &key) const;
  const std::string &need(const std::string &key) const;
  std::uint64_t number(const std::string &key) const;
  std::uint64_t number(const std::string &key, std::uint64_t otherwise) const;
  bool on(const std::string &key) const { return get(key) == "1"; }
  const body_bytes &body() const;
  mailboat::timeout wait() const;
};

/** Reads requests from a descriptor. */
class reader {
public:
  explicit reader(int from) : from_(from) {}
  /** The next one, nothing at the end. */
  std::optional<request> next();

private:
  bool refill();
  std::optional<std::string> line();
  void read(std::byte *to, std::size_t length);

  int from_;
  std::vector<char> data_ = std::vector<char>(1 << 16);
  std::size_t begin_ = 0, end_ = 0;
};

class answer {
public:
  answer() = default;
  /** How a call failed. */
  answer(std::string_view status, const std::string &text) : status_(status) { say("text", text); }
  explicit answer(const mailboat::error &error);

  answer &say(std::string_view key, std::string_view value);
  answer &say(std::string_view key, std::uint64_t value) {
    return say(key, std::string_view(std::to_string(value)));
  }
  answer &body(const void *data, std::size_t length);
  answer &items(const std::vector<answer> &items);
  /** As it goes over the wire. */
  std::string text(std::string_view tag) const { return std::string(tag) + ' ' + status_ + rest(); }

private:
  std::string rest() const { return line_ + '\n' + tail_; }

  std::string status_ = "ok", line_, tail_;
};

/* ---- what is open, by the names that the test gave ---- */

struct tables {
  /** Never held while something waits. */
  std::mutex lock;
  /** Where ports and segments are made and opened; none: the default domain. */
  std::shared_ptr<mailboat::domain> domain;
  std::map<std::string, std::shared_ptr<mailboat::queue>> handles;
  std::map<std::string, mailboat::loan> loans;
  std::map<std::string, std::shared_ptr<mailboat::receipt>> receipts;
  std::map<std::string, std::shared_ptr<mailboat::segment>> segments;
  /** Whether storms are to end. */
  bool stop = false;
};

inline tables table;

/** Something that the test must have made before. */
template <class Map> typename Map::mapped_type &find_in(Map &map, const std::string &name) {
  const auto found = map.find(name);
  if (found == map.end()) throw protocol_error("there is no " + name);
  return found->second;
}

template <class Map> typename Map::mapped_type take_out(Map &map, const std::string &name) {
  const std::lock_guard<std::mutex> held(table.lock);
  auto thing = std::move(find_in(map, name));
  map.erase(name);
  return thing;
}

template <class Map, class Thing> void keep(Map &map, const std::string &name, Thing thing) {
  const std::lock_guard<std::mutex> held(table.lock);
  map.insert_or_assign(name, std::move(thing));
}

inline std::shared_ptr<mailboat::queue> handle_of(const request &r) {
  const std::lock_guard<std::mutex> held(table.lock);
  return find_in(table.handles, r.need("handle"));
}

inline std::shared_ptr<mailboat::segment> segment_of(const request &r) {
  const std::lock_guard<std::mutex> held(table.lock);
  return find_in(table.segments, r.need("segment"));
}

inline std::shared_ptr<mailboat::domain> domain_here() {
  const std::lock_guard<std::mutex> held(table.lock);
  return table.domain;
}

/* ---- storms ---- */

/** Numbers that look random; see Knuth's MMIX. */
class dice {
public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  /** One of the first `n`. */
  std::uint64_t below(std::uint64_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % n;
  }

private:
  std::uint64_t state_;
};

inline bool stopped() {
  const std::lock_guard<std::mutex> held(table.lock);
  return table.stop;
}

/* ---- the verbs ---- */

// Function pointers, so that names which the C library has too are taken for ours.
using verbs = std::map<std::string, answer (*)(const request &)>;

const verbs &control_verbs();
const verbs &message_verbs();
const verbs &segment_verbs();
const verbs &storm_verbs();
const verbs &name_verbs();

/** The options of ports and queues. */
mailboat::port_options port_options(const request &r);

/** Answers requests until there are no more, then ends the process with all handles open. */
[[noreturn]] void serve(int from, int to);

#endif
