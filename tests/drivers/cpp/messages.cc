// Ports and queues: making, sending, receiving.
#include "driver.hpp"

#include <algorithm>
#include <cstring>

mailboat::port_options port_options(const request &r) {
  mailboat::port_options options;
  options.capacity = static_cast<std::uint32_t>(r.number("capacity", 0));
  options.max_users = static_cast<std::uint32_t>(r.number("max_users", 0));
  options.max_message = r.number("max_message", 0);
  options.byte_budget = r.number("byte_budget", 0);
  options.timestamps = r.on("timestamps");
  options.owned_by_task = r.get("owner") == "task";
  options.mode = static_cast<std::uint32_t>(r.number("mode", 0));
  return options;
}

namespace {

using mailboat::port;

answer kept(const request &r, port opened) {
  keep(table.handles, r.need("handle"), std::make_shared<port>(std::move(opened)));
  return {};
}

answer create(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  return kept(r, here ? port::create(*here, name, port_options(r))
                      : port::create(name, port_options(r)));
}

answer open(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  return kept(r, here ? port::open(*here, name) : port::open(name));
}

answer open_or_create(const request &r) {
  const auto here = domain_here();
  const auto &name = r.need("name");
  return kept(r, here ? port::open_or_create(*here, name, port_options(r))
                      : port::open_or_create(name, port_options(r)));
}

answer remove(const request &r) {
  const auto here = domain_here();
  here ? port::remove(*here, r.need("name")) : port::remove(r.need("name"));
  return {};
}

answer close(const request &r) {
  take_out(table.handles, r.need("handle"));
  return {};
}

answer facts(const request &r) {
  const auto queue = handle_of(r);
  return answer()
      .say("capacity", queue->capacity())
      .say("max_message", queue->max_message())
      .say("queued", queue->queued())
      .say("closed", std::uint64_t{queue->is_closed()});
}

answer stat(const request &r) {
  const auto queue = handle_of(r);
  const auto stats = queue->stat();
  answer out;
  if ((stats.flags & MB_PORT_IN_SEGMENT) == 0) {
    out.say("owner", (stats.flags & MB_PORT_OWNED_BY_TASK) != 0 ? "task" : "domain")
        .say("owner_task", stats.owner)
        .say("mode", stats.mode)
        .say("uid", stats.uid)
        .say("file_bytes", stats.file_bytes);
  }
  std::string tasks;
  for (const auto task : queue->users()) {
    tasks += (tasks.empty() ? "" : ",") + std::to_string(task);
  }
  return out.say("capacity", stats.capacity)
      .say("queued", stats.queued)
      .say("in_hand", stats.in_hand)
      .say("loaned", stats.loaned)
      .say("given_back", stats.given_back)
      .say("max_message", stats.max_message)
      .say("byte_budget", stats.byte_budget)
      .say("bytes_committed", stats.bytes_committed)
      .say("users", stats.users)
      .say("max_users", stats.max_users)
      .say("sent", stats.sent)
      .say("received", stats.received)
      .say("redelivered", stats.redelivered)
      .say("deaths", stats.deaths)
      .say("timestamps", std::uint64_t{(stats.flags & MB_PORT_TIMESTAMPS) != 0})
      .say("closed", std::uint64_t{(stats.flags & MB_PORT_CLOSED) != 0})
      .say("tasks", tasks);
}

answer send(const request &r) {
  const auto queue = handle_of(r);
  if (r.words.count("kind") != 0) {
    const auto kind = static_cast<std::uint32_t>(r.number("kind"));
    return answer().say("id", queue->send(r.body(), kind, r.wait()));
  }
  return answer().say("id", r.words.count("wait") != 0 ? queue->send(r.body(), r.wait())
                                                       : queue->send(r.body()));
}

/** What a call without a result of a kind that never waits has met. */
answer nothing(const char *status) {
  return {status, ""};
}

answer try_send(const request &r) {
  const auto id = handle_of(r)->try_send(r.body());
  return id ? answer().say("id", *id) : nothing("full");
}

answer send_many(const request &r) {
  const auto kind = static_cast<std::uint32_t>(r.number("kind", 0));
  std::vector<mailboat::outgoing> messages;
  for (const auto &body : r.bodies) messages.push_back({body, kind});
  return answer().say("sent", handle_of(r)->send_many(messages, r.wait()));
}

answer about(const mailboat::header &header) {
  answer out;
  out.say("length", header.length())
      .say("kind", header.kind())
      .say("id", header.id())
      .say("sender", header.sender())
      .say("redeliveries", header.redeliveries())
      .say("redelivered", std::uint64_t{header.is_redelivered()});
  if (const auto sent = header.sent()) {
    const auto ns = std::chrono::nanoseconds(sent->time_since_epoch()).count();
    out.say("sent_ns", static_cast<std::uint64_t>(ns));
  }
  return out;
}

answer whole(const mailboat::message &message) {
  return about(message.header()).body(message.body().data(), message.size());
}

answer receive(const request &r) {
  const auto queue = handle_of(r);
  const auto message = r.words.count("wait") != 0 ? queue->receive(r.wait()) : queue->receive();
  if (r.get("header") == "0") return answer().body(message.text().data(), message.text().size());
  return whole(message);
}

answer try_receive(const request &r) {
  const auto message = handle_of(r)->try_receive();
  return message ? whole(*message) : nothing("empty");
}

answer receive_into(const request &r) {
  body_bytes buffer(r.number("room"));
  const auto header = handle_of(r)->receive_into(buffer, r.wait());
  return about(header).body(buffer.data(), header.length());
}

answer receive_many(const request &r) {
  std::vector<answer> items;
  for (const auto &message : handle_of(r)->receive_many(r.number("max"), r.wait())) {
    items.push_back(whole(message));
  }
  return answer().items(items);
}

/* ---- loans ---- */

answer loan(const request &r) {
  auto loan = handle_of(r)->loan(r.number("size"), r.wait());
  auto out = answer().say("capacity", loan.capacity());
  keep(table.loans, r.need("loan"), std::move(loan));
  return out;
}

answer fill(const request &r) {
  const std::lock_guard<std::mutex> held(table.lock);
  const auto memory = find_in(table.loans, r.need("loan")).bytes();
  const auto &body = r.body();
  const auto offset = r.number("offset", 0);
  if (offset + body.size() > memory.size()) throw protocol_error("that does not fit into the loan");
  std::copy(body.begin(), body.end(), memory.data() + offset);
  return {};
}

answer write(const request &r) {
  const std::lock_guard<std::mutex> held(table.lock);
  find_in(table.loans, r.need("loan")).write(r.number("offset", 0), r.body());
  return {};
}

answer commit(const request &r) {
  const auto &name = r.need("loan");
  auto loan = take_out(table.loans, name);
  try {
    if (r.words.count("length") + r.words.count("kind") + r.words.count("wait") == 0) {
      return answer().say("id", loan.commit());
    }
    const auto length = r.number("length", loan.capacity());
    const auto kind = static_cast<std::uint32_t>(r.number("kind", 0));
    return answer().say("id", loan.commit(length, kind, r.wait()));
  } catch (const mailboat::error &) {
    // It is still there.
    keep(table.loans, name, std::move(loan));
    throw;
  }
}

answer discard(const request &r) {
  take_out(table.loans, r.need("loan")).discard();
  return {};
}

answer drop_loan(const request &r) {
  take_out(table.loans, r.need("loan"));
  return {};
}

/* ---- receipts ---- */

answer in_hand(const mailboat::receipt &receipt) {
  return about(receipt.header()).body(receipt.bytes().data(), receipt.bytes().size());
}

answer held(const std::string &name, mailboat::receipt receipt) {
  auto out = in_hand(receipt);
  keep(table.receipts, name, std::make_shared<mailboat::receipt>(std::move(receipt)));
  return out;
}

answer take(const request &r) {
  const auto queue = handle_of(r);
  return held(r.need("receipt"), r.words.count("wait") != 0 ? queue->take(r.wait()) : queue->take());
}

answer try_take(const request &r) {
  auto receipt = handle_of(r)->try_take();
  return receipt ? held(r.need("receipt"), std::move(*receipt)) : nothing("empty");
}

answer take_many(const request &r) {
  std::vector<answer> items;
  for (auto &receipt : handle_of(r)->take_many(r.number("max"), r.wait())) {
    const auto name = r.need("receipt") + "." + std::to_string(items.size());
    items.push_back(held(name, std::move(receipt)));
  }
  return answer().items(items);
}

std::shared_ptr<mailboat::receipt> receipt_of(const request &r) {
  const std::lock_guard<std::mutex> held(table.lock);
  return find_in(table.receipts, r.need("receipt"));
}

answer look(const request &r) {
  return in_hand(*receipt_of(r));
}

answer copy(const request &r) {
  body_bytes part(r.number("length"));
  receipt_of(r)->copy(r.number("offset"), part);
  return answer().body(part.data(), part.size());
}

answer ack(const request &r) {
  take_out(table.receipts, r.need("receipt"))->ack();
  return {};
}

answer nack(const request &r) {
  take_out(table.receipts, r.need("receipt"))->nack();
  return {};
}

answer drop_receipt(const request &r) {
  take_out(table.receipts, r.need("receipt"));
  return {};
}

} // namespace

const verbs &message_verbs() {
  static const verbs all{
      {"create", create},
      {"open", open},
      {"open_or_create", open_or_create},
      {"delete", remove},
      {"close", close},
      {"facts", facts},
      {"stat", stat},
      {"send", send},
      {"try_send", try_send},
      {"send_many", send_many},
      {"receive", receive},
      {"try_receive", try_receive},
      {"receive_into", receive_into},
      {"receive_many", receive_many},
      {"loan", loan},
      {"fill", fill},
      {"write", write},
      {"commit", commit},
      {"discard", discard},
      {"drop_loan", drop_loan},
      {"take", take},
      {"try_take", try_take},
      {"take_many", take_many},
      {"look", look},
      {"copy", copy},
      {"ack", ack},
      {"nack", nack},
      {"drop_receipt", drop_receipt},
  };
  return all;
}
