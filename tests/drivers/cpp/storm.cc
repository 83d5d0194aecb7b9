// Endless sending and receiving, until the process is killed or told to stop. What is sent and what
// is logged is described in ../README.md.
#include "driver.hpp"

#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t HEAD = 24;
constexpr auto A_WHILE = 20ms;

/** What became of a delivery, in the log. */
enum class state : std::uint32_t { damaged = 0, received = 1, given_back = 2 };

std::uint32_t crc32(const body_bytes &bytes) {
  std::uint32_t crc = ~0u;
  for (const auto byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0xedb88320u & (0 - (crc & 1)));
  }
  return ~crc;
}

template <class T> void put(body_bytes &body, std::size_t at, T value) {
  std::memcpy(body.data() + at, &value, sizeof value);
}

template <class T> T get(const body_bytes &body, std::size_t at) {
  T value;
  std::memcpy(&value, body.data() + at, sizeof value);
  return value;
}

body_bytes make_message(std::uint64_t sender, std::uint64_t seq, std::size_t length) {
  body_bytes body(length);
  for (std::size_t i = 0; i < length; ++i) body[i] = static_cast<std::byte>(seq + 7 * i);
  put(body, 0, sender);
  put(body, 8, seq);
  put(body, 16, static_cast<std::uint32_t>(length));
  put(body, 20, std::uint32_t{0});
  put(body, 20, crc32(body));
  return body;
}

class log_file {
public:
  explicit log_file(const std::string &path)
      : fd_(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::runtime_error("cannot write " + path);
  }
  ~log_file() { close(fd_); }
  log_file(const log_file &) = delete;
  log_file &operator=(const log_file &) = delete;

  void append(const void *data, std::size_t length) {
    if (write(fd_, data, length) != static_cast<ssize_t>(length)) {
      throw std::runtime_error("cannot write the log");
    }
  }

private:
  int fd_;
};

/* ---- sending ---- */

class sending {
public:
  explicit sending(const request &r)
      : queue_(handle_of(r)), log_(r.need("log")), sender_(r.number("sender")),
        count_(r.number("count", 0)), max_size_(r.number("max_size", 64 << 10)),
        dice_(r.number("seed")) {}

  answer run() {
    while ((count_ == 0 || seq_ < count_) && !stopped()) {
      auto n = dice_.below(4) == 0 ? 1 + dice_.below(8) : 1;
      if (count_ != 0) n = std::min(n, count_ - seq_);
      std::vector<body_bytes> bodies;
      for (std::uint64_t i = 0; i < n; ++i) {
        bodies.push_back(make_message(sender_, seq_ + i, length()));
      }
      try {
        note(send(bodies));
      } catch (const mailboat::error &error) {
        if (error.status() == mailboat::errc::closed) break;
        if (error.status() != mailboat::errc::no_space) throw;
      }
    }
    return answer().say("sent", seq_);
  }

private:
  std::size_t length() {
    const auto way = dice_.below(20);
    const std::size_t most = way == 0 ? max_size_ : way < 6 ? 2000 : 100;
    return HEAD + dice_.below(most - HEAD + 1);
  }

  void note(std::size_t sent) {
    std::vector<std::uint64_t> records;
    for (std::size_t i = 0; i < sent; ++i) {
      records.push_back(sender_);
      records.push_back(seq_++);
    }
    log_.append(records.data(), records.size() * sizeof(std::uint64_t));
  }

  /** Sends the first so many, in one way or another. */
  std::size_t send(const std::vector<body_bytes> &bodies) {
    if (bodies.size() > 1) {
      std::vector<mailboat::outgoing> messages(bodies.size());
      for (std::size_t i = 0; i < bodies.size(); ++i) messages[i].body = bodies[i];
      return queue_->try_send_many(messages, A_WHILE);
    }
    const auto &body = bodies.front();
    if (dice_.below(4) != 0) return queue_->try_send(body, A_WHILE) ? 1 : 0;
    auto loan = queue_->try_loan(body.size() + 1, A_WHILE);
    if (!loan) return 0;
    loan->write(0, body);
    if (dice_.below(4) == 0) return 0; // The destructor discards it.
    return loan->try_commit(body.size(), 0, A_WHILE) ? 1 : 0;
  }

  std::shared_ptr<mailboat::queue> queue_;
  log_file log_;
  std::uint64_t sender_, count_, max_size_;
  dice dice_;
  std::uint64_t seq_ = 0;
};

/* ---- receiving ---- */

class receiving {
public:
  explicit receiving(const request &r)
      : queue_(handle_of(r)), log_(r.need("log")), dice_(r.number("seed")),
        copying_(r.get("way") == "copy") {}

  answer run() {
    try {
      for (;;) {
        if (copying_ ? copy() : take()) continue;
        // What is held back may be all that there is left.
        while (!held_.empty()) {
          auto receipt = std::move(held_.back());
          held_.pop_back();
          acknowledge(receipt);
        }
        if (stopped()) break;
      }
    } catch (const mailboat::error &error) {
      if (error.status() != mailboat::errc::closed) throw;
    }
    return answer().say("received", good_).say("bad", bad_);
  }

private:
  bool copy() {
    std::vector<mailboat::message> messages;
    if (dice_.below(4) == 0) {
      messages = queue_->try_receive_many(8, A_WHILE);
    } else if (auto one = queue_->try_receive(A_WHILE)) {
      messages.push_back(std::move(*one));
    }
    for (const auto &message : messages) record(message.body(), message.header(), state::received);
    return !messages.empty();
  }

  bool take() {
    std::vector<mailboat::receipt> receipts;
    if (dice_.below(4) == 0) {
      receipts = queue_->try_take_many(8, A_WHILE);
    } else if (auto one = queue_->try_take(A_WHILE)) {
      receipts.push_back(std::move(*one));
    }
    for (auto &receipt : receipts) {
      const auto way = dice_.below(20);
      if (way < 2) {
        record(receipt.to_message().body(), receipt.header(), state::given_back);
        if (way == 0) receipt.nack();
        // Else the destructor gives it back.
        const auto dropped = std::move(receipt);
      } else if (way < 5 && held_.size() < 4) {
        held_.push_back(std::move(receipt));
      } else {
        acknowledge(receipt);
      }
    }
    return !receipts.empty();
  }

  /** The record comes first: what is acknowledged is in the log, whenever the process is killed. */
  void acknowledge(mailboat::receipt &receipt) {
    record(receipt.to_message().body(), receipt.header(), state::received);
    receipt.ack();
  }

  void record(body_bytes body, const mailboat::header &header, state outcome) {
    struct {
      std::uint64_t sender, seq, id;
      std::uint32_t redeliveries;
      state outcome;
    } entry{0, 0, header.id(), header.redeliveries(), state::damaged};
    if (body.size() >= HEAD) {
      const auto crc = get<std::uint32_t>(body, 20);
      put(body, 20, std::uint32_t{0});
      if (get<std::uint32_t>(body, 16) == body.size() && crc32(body) == crc) {
        entry.outcome = outcome;
        entry.sender = get<std::uint64_t>(body, 0);
        entry.seq = get<std::uint64_t>(body, 8);
      }
    }
    log_.append(&entry, sizeof entry);
    good_ += entry.outcome == state::received ? 1 : 0;
    bad_ += entry.outcome == state::damaged ? 1 : 0;
  }

  std::shared_ptr<mailboat::queue> queue_;
  log_file log_;
  dice dice_;
  bool copying_;
  std::vector<mailboat::receipt> held_;
  std::uint64_t good_ = 0, bad_ = 0;
};

} // namespace

const verbs &storm_verbs() {
  static const verbs all{
      {"storm_send", [](const request &r) { return sending(r).run(); }},
      {"storm_receive", [](const request &r) { return receiving(r).run(); }},
  };
  return all;
}
