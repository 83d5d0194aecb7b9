// The reader: sends the text of all files of a folder, in pieces cut between words, to the port
// "pieces", and at the end tells the port "results" how many there were.
//
//   reader FOLDER PIECE_BYTES

#include <mailboat.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::uint32_t piece_kind = 1, last_piece_kind = 2, total_kind = 2;
// A longer run of word bytes counts as words of this length.
constexpr std::size_t longest_word = 1024;
// Each piece begins with its number.
constexpr std::size_t head = 8;
// So many files that cannot be read are named; the rest is only counted.
constexpr std::uint64_t complaints = 20;

bool in_word(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void put(unsigned char *to, std::uint64_t number) {
    for (int i = 0; i < 8; i++) to[i] = static_cast<unsigned char>(number >> (8 * i));
}

// The collector's progress may stand on the line where a report begins.
const char *line_start() { return isatty(STDERR_FILENO) ? "\r\033[K" : ""; }

class descriptor {
  public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(const descriptor &) = delete;
    descriptor &operator=(const descriptor &) = delete;
    ~descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_;
};

class reader {
  public:
    reader(mailboat::port &pieces, std::size_t piece)
        : pieces_(pieces), size_(piece), buffer_(head + piece) {}

    // Sends a folder and all below it, or a single file.
    void walk(const std::string &root) {
        struct stat about;
        // The place that was asked for may be a link; what lies below it may not.
        if (stat(root.c_str(), &about) != 0) return skip(root);
        if (!S_ISDIR(about.st_mode)) return file(root, O_RDONLY);
        std::vector<std::string> folders{root};
        while (!folders.empty()) {
            std::string folder = std::move(folders.back());
            folders.pop_back();
            DIR *listing = opendir(folder.c_str());
            if (listing == nullptr) {
                skip(folder);
                continue;
            }
            for (;;) {
                errno = 0;
                const dirent *entry = readdir(listing);
                if (entry == nullptr) {
                    if (errno != 0) skip(folder);
                    break;
                }
                if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0)
                    continue;
                std::string path = folder + "/" + entry->d_name;
                if (lstat(path.c_str(), &about) != 0)
                    skip(path);
                else if (S_ISDIR(about.st_mode))
                    folders.push_back(std::move(path));
                else if (S_ISREG(about.st_mode))
                    file(path, O_RDONLY | O_NOFOLLOW);
                else
                    special_++;
            }
            closedir(listing);
        }
    }

    // The last piece is empty: it is there so that there is always one.
    void finish(mailboat::port &results) {
        send(0, last_piece_kind);
        unsigned char total[32];
        put(total, number_);
        put(total + 8, bytes_);
        put(total + 16, files_);
        put(total + 24, skipped_);
        results.send({total, sizeof total}, total_kind);
        std::fprintf(stderr, "%sreader: %llu files, %llu unreadable, %llu links and special files\n",
                     line_start(),
                     static_cast<unsigned long long>(files_),
                     static_cast<unsigned long long>(skipped_),
                     static_cast<unsigned long long>(special_));
    }

  private:
    void skip(const std::string &path) {
        if (++skipped_ <= complaints)
            std::fprintf(stderr, "%sreader: skipped %s: %s\n", line_start(), path.c_str(),
                         std::strerror(errno));
        else if (skipped_ == complaints + 1)
            std::fprintf(stderr, "%sreader: more files that cannot be read are not named\n",
                         line_start());
    }

    void file(const std::string &path, int flags) {
        // O_NONBLOCK: should it have become a named pipe meanwhile, opening does not wait.
        descriptor fd(open(path.c_str(), flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        struct stat about;
        if (fd.get() < 0 || fstat(fd.get(), &about) != 0) return skip(path);
        if (!S_ISREG(about.st_mode)) {
            special_++;
            return;
        }
        unsigned char *text = buffer_.data() + head;
        std::size_t have = 0;
        for (;;) {
            ssize_t n = read(fd.get(), text + have, size_ - have);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) skip(path);
            if (n <= 0) break;
            have += static_cast<std::size_t>(n);
            if (have < size_) continue;
            std::size_t cut = have;
            while (cut > 0 && in_word(text[cut - 1])) cut--;
            // One word fills the buffer: cut it where the rule for long words cuts it.
            if (cut == 0) cut = have - have % longest_word;
            send(cut, piece_kind);
            std::memmove(text, text + cut, have - cut);
            have -= cut;
        }
        if (have > 0) send(have, piece_kind);
        files_++;
    }

    void send(std::size_t length, std::uint32_t kind) {
        put(buffer_.data(), number_++);
        pieces_.send({buffer_.data(), head + length}, kind);
        bytes_ += length;
    }

    mailboat::port &pieces_;
    std::size_t size_;
    std::vector<unsigned char> buffer_;
    std::uint64_t number_ = 0, bytes_ = 0, files_ = 0, skipped_ = 0, special_ = 0;
};

}  // namespace

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: reader FOLDER PIECE_BYTES\n");
        return 2;
    }
    std::size_t piece = std::max<std::size_t>(std::strtoul(argv[2], nullptr, 10), longest_word);
    try {
        auto pieces = mailboat::port::open("pieces");
        auto results = mailboat::port::open("results");
        reader all(pieces, piece);
        all.walk(argv[1]);
        all.finish(results);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "reader: %s\n", e.what());
        return 1;
    }
    return 0;
}
