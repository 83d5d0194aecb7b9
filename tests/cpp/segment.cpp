// Segments, and queues in them.
#include "harness.hpp"

#include <cstring>

namespace {

using mailboat::queue;
using mailboat::segment;

void shared_memory() {
  mailboat::segment_options options;
  options.max_size = 1 << 20;
  options.mode = 0640;
  auto one = segment::create("shared", 4096, options);
  THROWS(errc::already_exists, segment::create("shared", 4096));
  auto two = segment::open_or_create("shared", 1);
  CHECK(one.name() == "shared" && two.size() == one.size() && one.max_size() == 1 << 20);
  CHECK(two.how() == mailboat::access::read_write && !two.is_deleted());
  one.write(10, "hello");
  CHECK(std::memcmp(two.bytes().data() + 10, "hello", 5) == 0);
  const auto address = two.bytes().data();
  one.grow(100000);
  CHECK(two.size() >= 100000 && two.bytes().size() == two.size() && two.bytes().data() == address);
  std::array<std::byte, 5> copy;
  two.read(10, copy);
  CHECK(copy[4] == std::byte{'o'});
  THROWS(errc::invalid, two.read(two.size() - 4, copy));
  THROWS(errc::invalid, two.write(two.size(), "x"));
  THROWS(errc::too_large, two.grow(two.max_size() + 1));

  auto reader = segment::open("shared", mailboat::access::read_only);
  CHECK(reader.how() == mailboat::access::read_only);
  THROWS(errc::not_permitted, reader.bytes());
  THROWS(errc::not_permitted, reader.write(0, "x"));
  CHECK(std::as_const(reader).bytes()[10] == std::byte{'h'});

  segment::remove("shared");
  CHECK(one.is_deleted());
  one = segment::create("shared", 10); // the first is let go
  CHECK(std::as_const(reader).bytes()[10] == std::byte{'h'});
  segment::remove("shared");
  THROWS(errc::not_found, segment::open("shared"));
  THROWS(errc::invalid, segment::create("shared", 0));
}

void in_a_domain() {
  const auto other = mailboat::domain::open(mailboat::domain::open().path() + "-segments");
  auto one = segment::create(other, "x", 10);
  one = segment::open(other, "x");
  one = segment::open_or_create(other, "x", 10);
  THROWS(errc::not_found, segment::open("x"));
  segment::remove(other, "x");
  THROWS(errc::not_found, segment::remove(other, "x"));
}

void a_queue_of_ones_own() {
  mailboat::port_options options;
  options.capacity = 4;
  options.max_message = 100;
  const auto size = queue::required_size(options);
  auto memory = segment::create("queue", 4096 + size);
  auto one = queue::create(memory, 4096, options);
  auto two = queue::open(segment::open("queue"), 4096); // it keeps the memory attached
  one.send("through a segment");
  CHECK(two.receive().text() == "through a segment");
  CHECK(two.stat().flags == MB_PORT_IN_SEGMENT && two.capacity() == 4);
  THROWS(errc::not_found, queue::open(memory, 0));
  THROWS(errc::invalid, queue::create(memory, 1, options));
  options.owned_by_task = true;
  THROWS(errc::invalid, queue::create(memory, 4096, options));
  THROWS(errc::invalid, queue::required_size(options));
  one.shut();
  CHECK(two.is_closed());
  THROWS(errc::closed, two.send("x"));
  segment::remove("queue");
}

} // namespace

int main() {
  return harness::run({
      {"shared_memory", shared_memory},
      {"in_a_domain", in_a_domain},
      {"a_queue_of_ones_own", a_queue_of_ones_own},
  });
}
