// The line protocol.
#include "driver.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <sstream>
#include <unistd.h>

namespace {

std::string unescape(const std::string &word) {
  std::string out;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '%' && i + 2 < word.size()) {
      out += static_cast<char>(std::stoi(word.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      out += word[i];
    }
  }
  return out;
}

std::uint64_t to_number(const std::string &text) {
  std::size_t used = 0;
  const auto value = std::stoull(text, &used);
  if (used != text.size()) throw protocol_error(text + " is no number");
  return value;
}

std::string status_name(mailboat::errc status) {
  using mailboat::errc;
  switch (status) {
  case errc::full: return "full";
  case errc::empty: return "empty";
  case errc::timeout: return "timeout";
  case errc::closed: return "closed";
  case errc::peer_died: return "peer_died";
  case errc::not_permitted: return "not_permitted";
  case errc::too_large: return "too_large";
  case errc::no_space: return "no_space";
  case errc::corrupt: return "corrupt";
  case errc::version: return "version";
  case errc::not_found: return "not_found";
  case errc::already_exists: return "already_exists";
  case errc::bad_name: return "bad_name";
  case errc::invalid: return "invalid";
  case errc::wrong_type: return "wrong_type";
  case errc::bad_domain: return "bad_domain";
  case errc::too_many: return "too_many";
  case errc::lease_lost: return "lease_lost";
  case errc::forked: return "forked";
  case errc::interrupted: return "interrupted";
  case errc::system: return "system";
  case errc::internal: return "internal";
  }
  return "status" + std::to_string(static_cast<int>(status));
}

} // namespace

std::optional<std::string> request::get(const std::string &key) const {
  const auto found = words.find(key);
  if (found == words.end()) return std::nullopt;
  return found->second;
}

const std::string &request::need(const std::string &key) const {
  const auto found = words.find(key);
  if (found == words.end()) throw protocol_error(verb + " needs " + key);
  return found->second;
}

std::uint64_t request::number(const std::string &key) const {
  return to_number(need(key));
}

std::uint64_t request::number(const std::string &key, std::uint64_t otherwise) const {
  return words.count(key) != 0 ? number(key) : otherwise;
}

const body_bytes &request::body() const {
  if (bodies.size() != 1) throw protocol_error(verb + " needs one body");
  return bodies.front();
}

mailboat::timeout request::wait() const {
  const auto word = get("wait").value_or("forever");
  if (word == "forever") return mailboat::forever;
  if (word == "try") return mailboat::no_wait;
  return std::chrono::duration<double>(std::stod(word));
}

bool reader::refill() {
  ssize_t n;
  do {
    n = ::read(from_, data_.data(), data_.size());
  } while (n < 0 && errno == EINTR);
  begin_ = 0;
  end_ = n > 0 ? static_cast<std::size_t>(n) : 0;
  return n > 0;
}

std::optional<std::string> reader::line() {
  std::string out;
  for (;;) {
    if (begin_ == end_ && !refill()) return std::nullopt;
    const char c = data_[begin_++];
    if (c == '\n') return out;
    out += c;
  }
}

void reader::read(std::byte *to, std::size_t length) {
  while (length > 0) {
    if (begin_ == end_ && !refill()) throw protocol_error("a request was cut short");
    const auto n = std::min(length, end_ - begin_);
    std::copy_n(reinterpret_cast<const std::byte *>(data_.data() + begin_), n, to);
    begin_ += n;
    to += n;
    length -= n;
  }
}

std::optional<request> reader::next() {
  const auto head = line();
  if (!head) return std::nullopt;
  std::istringstream parts(*head);
  request out;
  parts >> out.tag >> out.thread >> out.verb;
  for (std::string part; parts >> part;) {
    const auto equals = part.find('=');
    const auto key = part.substr(0, equals);
    const auto value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (key != "body") {
      out.words[key] = unescape(value);
      continue;
    }
    std::istringstream lengths(value);
    for (std::string length; std::getline(lengths, length, ',');) {
      body_bytes body(to_number(length));
      read(body.data(), body.size());
      out.bodies.push_back(std::move(body));
    }
  }
  return out;
}

answer::answer(const mailboat::error &error) : status_(status_name(error.status())) {
  say("code", static_cast<std::uint64_t>(error.code().value()));
  say("kind_text", error.code().message());
  say("text", error.what());
  if (error.bytes() != 0) say("needed", error.bytes());
}

answer &answer::say(std::string_view key, std::string_view value) {
  line_.append(" ").append(key).append("=");
  for (const char character : value) {
    const auto c = static_cast<unsigned char>(character);
    if (c > 32 && c < 127 && c != '%') {
      line_ += character;
    } else {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "%%%02x", c);
      line_ += escaped;
    }
  }
  return *this;
}

answer &answer::body(const void *data, std::size_t length) {
  say("body", length);
  if (length != 0) tail_.assign(static_cast<const char *>(data), length);
  return *this;
}

answer &answer::items(const std::vector<answer> &items) {
  say("items", items.size());
  for (const auto &item : items) tail_ += "-" + item.rest();
  return *this;
}
