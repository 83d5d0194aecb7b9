// One thread reads the requests; each request names the thread that is to do it, which is made when
// its name comes up for the first time. Thread "-" is the reading one itself.
#include "driver.hpp"

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <thread>
#include <unistd.h>

namespace {

answer perform(const request &r) {
  for (const auto *part : {&control_verbs(), &message_verbs(), &segment_verbs(), &storm_verbs(),
                           &name_verbs()}) {
    if (const auto found = part->find(r.verb); found != part->end()) {
      try {
        return found->second(r);
      } catch (const mailboat::error &error) {
        return answer(error);
      } catch (const protocol_error &error) {
        return {"protocol", error.what()};
      } catch (const std::exception &error) {
        return {"driver", error.what()};
      }
    }
  }
  return {"protocol", "no verb " + r.verb};
}

/** Where the answers go. */
class outlet {
public:
  explicit outlet(int to) : to_(to) {}

  void respond(const request &r) {
    const auto text = perform(r).text(r.tag);
    const std::lock_guard<std::mutex> held(lock_);
    for (std::size_t done = 0; done < text.size();) {
      const auto n = ::write(to_, text.data() + done, text.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) _exit(1); // Nobody listens any more.
      done += static_cast<std::size_t>(n);
    }
  }

private:
  int to_;
  std::mutex lock_;
};

class worker {
public:
  explicit worker(outlet &out) : out_(out) { std::thread([this] { work(); }).detach(); }

  void hand_over(request r) {
    const std::lock_guard<std::mutex> held(lock_);
    inbox_.push_back(std::move(r));
    wake_.notify_one();
  }

private:
  void work() {
    for (;;) {
      std::unique_lock<std::mutex> held(lock_);
      wake_.wait(held, [this] { return !inbox_.empty(); });
      const auto r = std::move(inbox_.front());
      inbox_.pop_front();
      held.unlock();
      out_.respond(r);
    }
  }

  outlet &out_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<request> inbox_;
};

} // namespace

void serve(int from, int to) {
  // On the heap and never freed: the threads use them to the very end of the process.
  auto &out = *new outlet(to);
  std::map<std::string, worker *> workers;
  reader requests(from);
  while (auto r = requests.next()) {
    if (r->thread == "-") {
      out.respond(*r);
      continue;
    }
    auto &worker_of = workers[r->thread];
    if (worker_of == nullptr) worker_of = new worker(out);
    worker_of->hand_over(std::move(*r));
  }
  std::_Exit(0);
}

int main() {
  serve(STDIN_FILENO, STDOUT_FILENO);
}
