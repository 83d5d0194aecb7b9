// The process itself: domains, threads, forks, the end.
#include "driver.hpp"

#include <cstdlib>
#include <cstring>
#include <grp.h>
#include <system_error>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

[[noreturn]] void throw_errno(const char *what) {
  throw std::system_error(errno, std::generic_category(), what);
}

answer hello(const request &) {
  return answer()
      .say("language", "cpp")
      .say("pid", static_cast<std::uint64_t>(getpid()))
      .say("version", mb_version());
}

answer thread(const request &) {
  return answer().say("tid", static_cast<std::uint64_t>(syscall(SYS_gettid)));
}

answer environment(const request &r) {
  const auto &name = r.need("name");
  const auto value = r.get("value");
  const int result = value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  if (result != 0) throw_errno("environment");
  return {};
}

answer become(const request &r) {
  const auto gid = static_cast<gid_t>(r.number("gid"));
  const auto uid = static_cast<uid_t>(r.number("uid"));
  if (setgroups(0, nullptr) != 0 || setgid(gid) != 0 || setuid(uid) != 0) throw_errno("become");
  return {};
}

answer domain(const request &r) {
  answer out;
  std::shared_ptr<mailboat::domain> opened;
  if (const auto location = r.get("location")) {
    mailboat::domain_options options;
    options.location = *location;
    options.shared = r.words.count("gid") != 0;
    options.gid = static_cast<std::uint32_t>(r.number("gid", 0));
    options.mode = static_cast<std::uint32_t>(r.number("mode", 0));
    options.max_tasks = static_cast<std::uint32_t>(r.number("max_tasks", 0));
    opened = std::make_shared<mailboat::domain>(options.shared || options.max_tasks != 0
                                                    ? mailboat::domain::open(options)
                                                    : mailboat::domain::open(*location));
    out.say("path", opened->path());
  }
  const std::lock_guard<std::mutex> held(table.lock);
  table.domain = std::move(opened);
  return out;
}

std::shared_ptr<mailboat::domain> this_domain() {
  auto here = domain_here();
  return here ? here : std::make_shared<mailboat::domain>(mailboat::domain::open());
}

answer domain_stat(const request &) {
  const auto stats = this_domain()->stat();
  return answer()
      .say("tasks", stats.tasks)
      .say("max_tasks", stats.max_tasks)
      .say("deaths", stats.deaths)
      .say("space_total", stats.space_total)
      .say("shared", std::uint64_t{(stats.flags & MB_DOMAIN_SHARED) != 0});
}

answer domain_list(const request &) {
  std::vector<answer> items;
  for (const auto &entry : this_domain()->list()) {
    items.push_back(answer()
                        .say("kind", entry.kind == MB_KIND_PORT ? "port" : "segment")
                        .say("name", entry.name)
                        .say("bytes", entry.bytes)
                        .say("uid", entry.uid)
                        .say("mode", entry.mode));
  }
  return answer().items(items);
}

answer domain_tasks(const request &) {
  std::vector<answer> items;
  for (const auto &task : this_domain()->tasks()) {
    items.push_back(
        answer().say("id", task.id).say("pid", task.pid).say("alive", std::uint64_t{task.alive}));
  }
  return answer().items(items);
}

answer task(const request &) {
  return answer().say("task", this_domain()->task());
}

answer reset(const request &) {
  const std::lock_guard<std::mutex> held(table.lock);
  table.loans.clear();
  table.receipts.clear();
  table.handles.clear();
  table.segments.clear();
  table.domain.reset();
  table.stop = false;
  return {};
}

answer stop(const request &) {
  const std::lock_guard<std::mutex> held(table.lock);
  table.stop = true;
  return {};
}

int connect_to(const std::string &path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
    std::_Exit(71);
  }
  return fd;
}

/** A child that has copies of all handles, and answers requests on a socket. */
answer fork_here(const request &r) {
  const auto &path = r.need("socket");
  // Held over the fork, so that the child does not find it held by a thread that it does not have.
  table.lock.lock();
  const auto pid = fork();
  table.lock.unlock();
  if (pid < 0) throw_errno("fork");
  if (pid == 0) {
    const int fd = connect_to(path);
    serve(fd, fd);
  }
  return answer().say("pid", static_cast<std::uint64_t>(pid));
}

answer wait_child(const request &r) {
  int status;
  if (waitpid(static_cast<pid_t>(r.number("pid")), &status, 0) < 0) throw_errno("waitpid");
  return answer().say("status", static_cast<std::uint64_t>(status));
}

answer end_now(const request &) {
  std::_Exit(0);
}

} // namespace

const verbs &control_verbs() {
  static const verbs all{
      {"hello", hello},
      {"thread", thread},
      {"environment", environment},
      {"become", become},
      {"domain", domain},
      {"domain_stat", domain_stat},
      {"domain_list", domain_list},
      {"domain_tasks", domain_tasks},
      {"task", task},
      {"reset", reset},
      {"stop", stop},
      {"fork", fork_here},
      {"wait_child", wait_child},
      {"exit", end_now},
  };
  return all;
}
