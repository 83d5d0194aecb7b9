// What the C++ tests share: checks that say where they failed, and a main that runs tests one after
// the other. The domain is the program's own (MAILBOAT_DOMAIN is set by whoever runs it).
#ifndef HARNESS_HPP
#define HARNESS_HPP

#include <mailboat.hpp>

#include <cstdlib>
#include <iostream>

using namespace std::chrono_literals;
using mailboat::errc;

#define CHECK(...)                                                                               \
  do {                                                                                           \
    if (!(__VA_ARGS__)) harness::fail(__FILE__, __LINE__, #__VA_ARGS__);                         \
  } while (false)

/* The expression must throw a mailboat::error of this kind, with a sentence. */
#define THROWS(kind, ...)                                                                        \
  do {                                                                                           \
    bool harness_threw = false;                                                                  \
    try {                                                                                        \
      static_cast<void>(__VA_ARGS__);                                                            \
    } catch (const mailboat::error &harness_error) {                                             \
      harness_threw = true;                                                                      \
      harness::expect(__FILE__, __LINE__, #__VA_ARGS__, harness_error,                           \
                      harness_error.code() == (kind));                                           \
    }                                                                                            \
    if (!harness_threw) harness::fail(__FILE__, __LINE__, #__VA_ARGS__ " threw nothing");        \
  } while (false)

namespace harness {
[[noreturn]] inline void fail(const char *file, int line, const std::string &what) {
  std::cerr << file << ':' << line << ": " << what << std::endl;
  std::exit(1);
}

inline void expect(const char *file, int line, const char *what, const mailboat::error &found,
                   bool right_kind) {
  if (right_kind && !std::string_view(found.what()).empty()) return;
  fail(file, line, std::string(what) + " threw: " + found.what());
}

struct test {
  const char *name;
  void (*run)();
};

template <std::size_t N> int run(const test (&tests)[N]) {
  for (const auto &one : tests) {
    try {
      one.run();
    } catch (const std::exception &e) {
      std::cerr << one.name << " threw: " << e.what() << std::endl;
      return 1;
    }
    std::cout << "ok " << one.name << std::endl;
  }
  return 0;
}
} // namespace harness

#endif
