// Ports: messages, loans, receipts.
#include "harness.hpp"

#include <thread>

namespace {

using mailboat::port;
using mailboat::port_options;

port_options room_for(std::uint32_t messages) {
  port_options options;
  options.capacity = messages;
  return options;
}

void the_example_of_the_manual() {
  auto orders = port::open_or_create("orders");
  orders.send("hello");
  const auto message = orders.receive(1s);
  CHECK(message.text() == "hello" && message.size() == 5);
  orders.send("again");
  if (auto receipt = orders.try_take()) {
    CHECK(receipt->text() == "again");
    receipt->ack();
  } else {
    CHECK(false);
  }
  CHECK(!orders.try_take());
  port::remove("orders");
}

void messages_with_all_particulars() {
  port_options options = room_for(8);
  options.timestamps = true;
  auto p = port::create("particulars", options);
  const auto before = std::chrono::steady_clock::now();
  const auto first = p.send("abc", 77);
  const auto second = p.send(std::vector<std::uint16_t>{1, 2}, 78, 5s);
  CHECK(first != second);
  const auto message = p.receive();
  CHECK(message.id() == first && message.kind() == 77 && message.text() == "abc");
  CHECK(message.header().sender() == mailboat::domain::open().task());
  CHECK(!message.header().is_redelivered() && message.header().redeliveries() == 0);
  CHECK(message.header().sent() && *message.header().sent() >= before);
  CHECK(*message.header().sent() <= std::chrono::steady_clock::now());
  std::array<std::byte, 10> buffer;
  const auto header = p.receive_into(buffer, 1s);
  CHECK(header.id() == second && header.length() == 4 && header.kind() == 78);
  CHECK(buffer[0] == std::byte{1} && buffer[2] == std::byte{2});
  p.send("");
  CHECK(p.receive().body().empty());
  p.send("moved");
  const std::vector<std::byte> body = p.receive().body();
  CHECK(body.size() == 5);
  port::remove("particulars");
}

void full_and_empty_without_exceptions() {
  auto p = port::create("try", room_for(1));
  std::array<std::byte, 1> buffer;
  CHECK(!p.try_receive() && !p.try_receive(1ms) && !p.try_take() && !p.try_receive_into(buffer));
  CHECK(p.try_receive_many(3).empty() && p.try_take_many(3, 1ms).empty());
  THROWS(errc::empty, p.receive(0s));
  THROWS(errc::timeout, p.receive(1ms));
  THROWS(std::errc::timed_out, p.take(1ms));
  THROWS(errc::timeout, p.receive_many(2, 1ms));
  THROWS(errc::timeout, p.take_many(2, 1ms));
  THROWS(errc::timeout, p.receive_into(buffer, 1ms));
  CHECK(p.try_send("x"));
  CHECK(!p.try_send("y") && !p.try_send("y", 1ms) && !p.try_send("y", 5, 1ms));
  THROWS(errc::full, p.send("y", mailboat::no_wait));
  THROWS(errc::timeout, p.send("y", 1ms));
  const mailboat::outgoing batch[] = {{"y", 0}};
  CHECK(p.try_send_many(batch) == 0);
  THROWS(errc::timeout, p.send_many(batch, 1ms));
  CHECK(p.queued() == 1);
  CHECK(p.try_receive()->text() == "x");
  port::remove("try");
}

void other_failures_are_exceptions_in_try_too() {
  port_options options = room_for(2);
  options.max_message = 10;
  auto p = port::create("others", options);
  THROWS(errc::too_large, p.try_send("0123456789a"));
  THROWS(errc::too_large, p.try_loan(11));
  p.send("0123456789");
  std::array<std::byte, 9> small;
  try {
    p.try_receive_into(small);
    CHECK(false);
  } catch (const mailboat::error &e) {
    CHECK(e.status() == errc::too_large && e.bytes() == 10);
  }
  CHECK(p.queued() == 1);
  port::remove("others");
  CHECK(p.is_closed());
  THROWS(errc::closed, p.try_send("x"));
  THROWS(errc::closed, p.try_receive());
  THROWS(errc::closed, p.try_take_many(1));
  THROWS(errc::closed, p.receive());
  THROWS(std::errc::broken_pipe, p.send("x"));
}

void batches() {
  auto p = port::create("batches", room_for(3));
  const std::vector<mailboat::outgoing> out = {{"a", 1}, {"bb", 2}, {"", 3}, {"dddd", 4}};
  CHECK(p.try_send_many(out) == 3);
  const auto in = p.receive_many(10);
  CHECK(in.size() == 3);
  CHECK(in[0].text() == "a" && in[1].text() == "bb" && in[2].text() == "");
  CHECK(in[0].kind() == 1 && in[2].kind() == 3);
  CHECK(p.send_many(mailboat::span<const mailboat::outgoing>(out).subspan(3)) == 1);
  const auto taken = p.take_many(10);
  CHECK(taken.size() == 1 && taken[0].text() == "dddd");
  CHECK(p.send_many({}) == 0);
  THROWS(errc::invalid, p.receive_many(0));
  port::remove("batches");
}

void receipts_give_back_when_destroyed() {
  auto p = port::create("receipts", room_for(4));
  p.send("precious", 5);
  {
    const auto receipt = p.take();
    CHECK(receipt.text() == "precious" && !receipt.header().is_redelivered());
  }
  auto receipt = p.take(0s);
  CHECK(receipt.header().is_redelivered() && receipt.header().redeliveries() == 1);
  CHECK(receipt.header().kind() == 5 && receipt.bytes().size() == 8);
  std::array<std::byte, 3> part;
  receipt.copy(2, part);
  CHECK(part[0] == std::byte{'e'});
  THROWS(errc::invalid, receipt.copy(6, part));
  const auto copy = receipt.to_message();
  auto moved = std::move(receipt);
  CHECK(!receipt && receipt.bytes().empty() && moved);
  THROWS(errc::invalid, receipt.ack());
  moved.nack();
  CHECK(!moved);
  auto again = p.take(0s);
  CHECK(again.header().redeliveries() == 2);
  p = port::open("receipts"); // the receipt keeps what it needs
  CHECK(again.text() == "precious");
  again.ack();
  CHECK(!p.try_take() && copy.text() == "precious");
  port::remove("receipts");
}

void an_exception_gives_the_message_back() {
  auto p = port::create("exception", room_for(4));
  p.send("job");
  try {
    auto job = p.take();
    throw std::runtime_error("the work failed");
    job.ack();
  } catch (const std::runtime_error &) {
  }
  CHECK(p.take(0s).header().is_redelivered());
  port::remove("exception");
}

void loans() {
  auto p = port::create("loans", room_for(1));
  {
    auto loan = p.loan(100000);
    CHECK(loan.bytes().size() == 100000 && loan.capacity() == 100000 && loan);
  } // discarded
  CHECK(p.queued() == 0 && p.stat().loaned == 0);
  auto loan = p.loan(10);
  loan.write(0, "0123456789");
  THROWS(errc::invalid, loan.write(1, "0123456789"));
  THROWS(errc::invalid, loan.commit(11));
  p.send("first");
  CHECK(!loan.try_commit(10) && !loan.try_commit(10, 0, 1ms));
  THROWS(errc::timeout, loan.commit(10, 0, 1ms));
  CHECK(loan && loan.bytes()[9] == std::byte{'9'}); // as it was
  CHECK(p.receive().text() == "first");
  const auto id = loan.commit(4, 9);
  CHECK(!loan && loan.bytes().empty() && loan.capacity() == 0);
  THROWS(errc::invalid, loan.commit(0));
  const auto message = p.receive();
  CHECK(message.text() == "0123" && message.id() == id && message.kind() == 9);
  auto whole = p.try_loan(3);
  CHECK(whole);
  whole->write(0, "abc");
  CHECK(whole->commit() != id);
  CHECK(p.receive().text() == "abc");
  auto given_up = p.loan(3);
  given_up.discard();
  CHECK(!given_up);
  port::remove("loans");
}

void names_options_figures() {
  port_options options = room_for(5);
  options.owned_by_task = true;
  options.max_message = 1000;
  options.byte_budget = 1 << 20;
  options.max_users = 9;
  options.mode = 0660;
  auto p = port::create("figures", options);
  THROWS(errc::already_exists, port::create("figures"));
  CHECK(p.name() == "figures" && p.label().find("figures") != std::string::npos);
  CHECK(p.capacity() == 5 && p.max_message() == 1000 && !p.is_closed());
  const auto stats = p.stat();
  CHECK(stats.flags == MB_PORT_OWNED_BY_TASK && stats.mode == 0660 && stats.max_users == 9);
  const auto second = port::open("figures");
  CHECK(p.users().size() == 2 && p.users()[0] == mailboat::domain::open().task());
  p = port::open_or_create("another");
  CHECK(second.is_closed()); // its owner let it go
  THROWS(errc::not_found, port::open("figures"));
  THROWS(errc::invalid, port::create("bad", room_for(~0u)));
  THROWS(errc::invalid, p.shut());
  port::remove("another");
  THROWS(errc::not_found, port::remove("another"));
}

void threads_share_a_port() {
  auto p = port::create("threads", room_for(4));
  constexpr int count = 2000;
  std::thread sender([&] {
    for (int i = 0; i < count; ++i) p.send(std::to_string(i));
  });
  for (int i = 0; i < count; ++i) CHECK(p.receive().text() == std::to_string(i));
  sender.join();
  p.set_interruptible(true);
  p.set_interruptible(false);
  std::thread blocked([&] { THROWS(errc::closed, p.receive()); });
  port::remove("threads");
  blocked.join();
}

} // namespace

int main() {
  return harness::run({
      {"the_example_of_the_manual", the_example_of_the_manual},
      {"messages_with_all_particulars", messages_with_all_particulars},
      {"full_and_empty_without_exceptions", full_and_empty_without_exceptions},
      {"other_failures_are_exceptions_in_try_too", other_failures_are_exceptions_in_try_too},
      {"batches", batches},
      {"receipts_give_back_when_destroyed", receipts_give_back_when_destroyed},
      {"an_exception_gives_the_message_back", an_exception_gives_the_message_back},
      {"loans", loans},
      {"names_options_figures", names_options_figures},
      {"threads_share_a_port", threads_share_a_port},
  });
}
