// Endless making, opening and deleting of things under a few names; see ../README.md.
#include "driver.hpp"

#include <sstream>

namespace {

using mailboat::port;
using mailboat::segment;
using namespace std::chrono_literals;

/** What others, who do the same at the same time, can be the reason of. */
bool expected(mailboat::errc status) {
  using mailboat::errc;
  switch (status) {
  case errc::already_exists:
  case errc::closed:
  case errc::empty:
  case errc::full:
  case errc::not_found:
  case errc::timeout: return true;
  default: return false;
  }
}

class player {
public:
  explicit player(const request &r) : domain_(domain_here()), dice_(r.number("seed")) {
    if (!domain_) throw protocol_error("storm_names needs a domain");
    std::istringstream list(r.need("names"));
    for (std::string name; std::getline(list, name, ',');) names_.push_back(name);
  }

  answer run() {
    std::uint64_t done = 0;
    while (!stopped()) {
      try {
        act(names_[dice_.below(names_.size())]);
        ++done;
      } catch (const mailboat::error &error) {
        if (!expected(error.status())) throw;
      }
    }
    return answer().say("done", done);
  }

private:
  void act(const std::string &name) {
    const auto action = dice_.below(12);
    mailboat::port_options options;
    options.capacity = 4;
    options.max_users = 64;
    options.owned_by_task = dice_.below(3) == 0;
    auto &place = ports_[dice_.below(ports_.size())];
    auto &room = segments_[dice_.below(segments_.size())];
    switch (action) {
    case 0: place = port::create(*domain_, name, options); break;
    case 1: place = port::open_or_create(*domain_, name, options); break;
    case 2:
    case 3: place = port::open(*domain_, name); break;
    case 4: place.reset(); break;
    case 5: port::remove(*domain_, name); break;
    case 6: room = segment::open_or_create(*domain_, name, 5000); break;
    case 7: room = segment::open(*domain_, name); break;
    case 8: segment::remove(*domain_, name); break;
    case 9:
      if (room) room->grow(room->size() + 5000);
      break;
    case 10:
      if (place) static_cast<void>(place->try_send(name));
      break;
    default:
      // What is taken is given back by the destructor.
      if (place) static_cast<void>(place->try_take(1ms));
    }
  }

  std::shared_ptr<mailboat::domain> domain_;
  dice dice_;
  std::vector<std::string> names_;
  std::array<std::optional<port>, 3> ports_;
  std::array<std::optional<segment>, 2> segments_;
};

} // namespace

const verbs &name_verbs() {
  static const verbs all{{"storm_names", [](const request &r) { return player(r).run(); }}};
  return all;
}
