// What needs no port: errors, timeouts, views of bytes, the types themselves.
#include "harness.hpp"

#include <cstring>
#include <thread>

namespace {

void errors_are_system_errors() {
  try {
    mailboat::port::open("absent");
    CHECK(false);
  } catch (const std::system_error &e) {
    CHECK(e.code() == errc::not_found);
    CHECK(e.code() == std::errc::no_such_file_or_directory);
    CHECK(e.code() != errc::already_exists);
    CHECK(&e.code().category() == &mailboat::category());
    CHECK(e.code().message() == "not found");
    CHECK(std::strstr(e.what(), "absent") != nullptr);
    const auto &own = dynamic_cast<const mailboat::error &>(e);
    CHECK(own.status() == errc::not_found && own.os_error() == 0 && own.bytes() == 0);
    const mailboat::error copy = own; // its words are its own
    THROWS(errc::not_found, mailboat::port::open("another"));
    CHECK(std::strstr(copy.what(), "absent") != nullptr);
  }
}

void every_code_has_its_words() {
  for (int code = MB_FULL; code <= MB_INTERNAL; ++code) {
    const std::error_code ec(code, mailboat::category());
    CHECK(ec.message() == mb_status_text(code) && !ec.message().empty());
  }
  CHECK(std::string(mailboat::category().name()) == "mailboat");
  const std::error_code full = errc::full;
  CHECK(full == std::errc::resource_unavailable_try_again);
  CHECK(mailboat::make_error_code(errc::timeout) == std::errc::timed_out);
  CHECK(mailboat::make_error_code(errc::closed) == std::errc::broken_pipe);
  CHECK(mailboat::make_error_code(errc::peer_died) == std::errc::owner_dead);
  CHECK(mailboat::make_error_code(errc::not_permitted) == std::errc::permission_denied);
  CHECK(mailboat::make_error_code(errc::too_large) == std::errc::message_size);
  CHECK(mailboat::make_error_code(errc::no_space) == std::errc::no_space_on_device);
  CHECK(mailboat::make_error_code(errc::already_exists) == std::errc::file_exists);
  CHECK(mailboat::make_error_code(errc::bad_name) == std::errc::invalid_argument);
  CHECK(mailboat::make_error_code(errc::interrupted) == std::errc::interrupted);
  CHECK(mailboat::make_error_code(errc::corrupt) != std::errc::invalid_argument);
}

void durations_of_every_kind() {
  using mailboat::timeout;
  static_assert(timeout(5ns).ns() == 5);
  static_assert(timeout(2s).ns() == 2000000000);
  static_assert(timeout(1.5ms).ns() == 1500000);
  static_assert(timeout(0ns).ns() == MB_TRY && timeout(-5h).ns() == MB_TRY);
  static_assert(timeout(std::chrono::nanoseconds::max()).ns() == MB_FOREVER);
  static_assert(timeout(std::chrono::hours::max()).ns() == MB_FOREVER);
  static_assert(timeout(std::chrono::hours::min()).ns() == MB_TRY);
  static_assert(timeout(24h * 365 * 100).ns() > 0);
  static_assert(mailboat::forever.ns() == MB_FOREVER && mailboat::no_wait.ns() == MB_TRY);
  CHECK(timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).ns() ==
        MB_FOREVER);
  CHECK(timeout(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).ns() ==
        MB_TRY);
}

void bytes_of_everything() {
  using mailboat::bytes_view;
  const std::vector<std::uint32_t> numbers = {1, 2, 3};
  const std::array<double, 2> doubles = {1, 2};
  const std::string text = "hello";
  CHECK(bytes_view(numbers).size() == 12 && bytes_view(numbers).data() == numbers.data());
  CHECK(bytes_view(doubles).size() == 16);
  CHECK(bytes_view(text).size() == 5 && bytes_view("hello").size() == 5);
  CHECK(bytes_view(std::string_view(text).substr(1)).size() == 4);
  CHECK(bytes_view(text.data(), 2).size() == 2 && bytes_view().size() == 0);
  std::byte raw[7] = {};
  CHECK(bytes_view(mailboat::span<std::byte>(raw)).size() == 7);
  static_assert(!std::is_convertible_v<std::vector<std::string>, bytes_view>);
}

void spans() {
  std::vector<int> numbers = {1, 2, 3, 4};
  const mailboat::span<int> all = numbers;
  CHECK(all.size() == 4 && all.size_bytes() == 16 && !all.empty() && all[2] == 3);
  CHECK(all.subspan(1).size() == 3 && all.subspan(1, 2)[1] == 3 && all.first(2).size() == 2);
  const mailboat::span<const int> read_only = all;
  int sum = 0;
  for (const int number : read_only) sum += number;
  CHECK(sum == 10 && read_only.data() == numbers.data());
  CHECK(mailboat::span<int>().empty());
  static_assert(!std::is_constructible_v<mailboat::span<int>, const std::vector<int> &>);
}

template <class T> constexpr bool is_owner() {
  return !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
         std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
         std::is_nothrow_destructible_v<T>;
}

void owners_only_move() {
  static_assert(is_owner<mailboat::domain>() && is_owner<mailboat::segment>());
  static_assert(is_owner<mailboat::queue>() && is_owner<mailboat::port>());
  static_assert(is_owner<mailboat::loan>() && is_owner<mailboat::receipt>());
  static_assert(std::is_copy_constructible_v<mailboat::message>);
  static_assert(std::is_nothrow_copy_constructible_v<mailboat::error>);
}

void domains() {
  const auto domain = mailboat::domain::open();
  CHECK(domain.path() == std::getenv("MAILBOAT_DOMAIN"));
  CHECK(mailboat::domain::open(domain.path()).task() == domain.task());
  mailboat::domain_options options;
  options.location = domain.path() + "-other";
  options.max_tasks = 7;
  const auto other = mailboat::domain::open(options);
  CHECK(other.stat().max_tasks == 7 && other.stat().tasks == 1);
  CHECK(other.list().empty());
  auto port = mailboat::port::create(other, "one");
  const auto segment = mailboat::segment::create(other, "two", 100);
  const auto list = other.list();
  CHECK(list.size() == 2 && list[0].name == "one" && list[0].kind == MB_KIND_PORT);
  CHECK(list[1].name == "two" && list[1].kind == MB_KIND_SEGMENT && list[1].mode == 0600);
  const auto tasks = other.tasks();
  CHECK(tasks.size() == 1 && tasks[0].id == other.task() && tasks[0].alive);
  CHECK(!tasks[0].program.empty());
  CHECK(tasks[0].since <= std::chrono::system_clock::now());
  CHECK(tasks[0].since > std::chrono::system_clock::now() - 1h);
  THROWS(errc::not_found, mailboat::port::open("one"));
  port = mailboat::port::open(other, "one");
  port = mailboat::port::open_or_create(other, "one");
  mailboat::port::remove(other, "one");
  mailboat::segment::remove(other, "two");
  THROWS(errc::bad_name, mailboat::domain::open("no/path"));
  options.mode = 0770;
  THROWS(errc::invalid, mailboat::domain::open(options));
}

} // namespace

int main() {
  return harness::run({
      {"errors_are_system_errors", errors_are_system_errors},
      {"every_code_has_its_words", every_code_has_its_words},
      {"durations_of_every_kind", durations_of_every_kind},
      {"bytes_of_everything", bytes_of_everything},
      {"spans", spans},
      {"owners_only_move", owners_only_move},
      {"domains", domains},
  });
}
