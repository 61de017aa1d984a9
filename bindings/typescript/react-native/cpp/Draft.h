// Writes drafts, the form in which calls cross to the core. Their layout is in uniffi/src/draft.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "Calls.h"

namespace throughline {

/// A draft that is written in pieces. Numbers are little-endian, as on every device that runs this.
class DraftBuffer {
 public:
  /// Makes it empty. One large draft must not hold on to its memory.
  void clear() {
    size_ = 0;
    if (bytes_.size() > KEPT) std::vector<uint8_t>(LEAST).swap(bytes_);
  }
  const uint8_t* data() const { return bytes_.data(); }
  size_t size() const { return size_; }

  template <class Number>
  void number(Number value) {
    append(&value, sizeof value);
  }

  void text(std::string_view text) {
    number(static_cast<uint32_t>(text.size()));
    append(text.data(), text.size());
  }

  void bytes(const uint8_t* data, size_t size) {
    number(static_cast<uint32_t>(size));
    append(data, size);
  }

  /// Room for a number that is known later.
  size_t mark() const { return size_; }
  template <class Number>
  void patch(size_t at, Number value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  /// A part of a text whose size is patched later.
  void part(const void* data, size_t size) { append(data, size); }
  /// Forgets what was written after a mark.
  void cut(size_t mark) { size_ = mark; }

 private:
  void append(const void* data, size_t size) {
    if (size > bytes_.size() - size_) bytes_.resize(2 * (size_ + size));
    // A size of 0 may come with no address.
    if (size > 0) std::memcpy(bytes_.data() + size_, data, size);
    size_ += size;
  }

  // A draft is rarely longer.
  static constexpr size_t LEAST = 1024;
  static constexpr size_t KEPT = 64 * LEAST;

  // The capacity, of which the first `size_` bytes are written.
  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(LEAST);
  size_t size_ = 0;
};

/// What an argument of JavaScript's is. `None` is `undefined` or `null`, `List` an array, `Bytes` another object.
enum class Kind { None, Bool, Number, Text, List, Bytes, Other };

/// A number of this size or above begins a short call: see `Sink.record` in TypeScript.
constexpr double SHORT_CALL = 256;

/// A whole number of a double, within the limits of the type. What is not a number is 0.
template <class Integer>
Integer whole(double value) {
  constexpr auto least = static_cast<double>(std::numeric_limits<Integer>::min());
  constexpr auto most = static_cast<double>(std::numeric_limits<Integer>::max());
  if (!(value > least)) return std::isnan(value) ? 0 : std::numeric_limits<Integer>::min();
  return value >= most ? std::numeric_limits<Integer>::max() : static_cast<Integer>(value);
}

/// Writes drafts from arguments: the code of the call, the slot of its context, how many mutations
/// were suppressed, and the fields. Or from those of a short call, whose first number is the code and
/// 256 times the call's first field: it has no context, nothing was suppressed, and its texts and
/// attributes, which end where a key is missing, are as the app gave them. If one of them has to be
/// converted or cut, it is no call.
///
/// `Arguments` has `size()`, and by index `kind`, `boolean`, `number`, `text` (gives a
/// `std::string`), `textInto` (writes it into a buffer), `list` (gives other arguments) and `bytes` (calls a function
/// with a pointer and a size).
template <class Arguments>
class DraftWriter {
 public:
  DraftWriter(DraftBuffer& out, const Arguments& arguments) : out_(out), arguments_(arguments) {}

  /// Whether the arguments are a call. If they are not, nothing of the buffer may be used.
  bool write(double timeMs) {
    if (arguments_.size() == 0) return false;
    const auto head = whole<uint32_t>(numberAt(0));
    isShort_ = head >= SHORT_CALL;
    if (!isShort_ && arguments_.size() < 3) return false;
    const auto call = static_cast<uint8_t>(isShort_ ? head % 256 : whole<uint8_t>(head));
    const char* fields = fieldsOf(call);
    if (fields == nullptr || (isShort_ && (*fields != 'b' || head > 0xffff))) return false;
    out_.number(static_cast<uint8_t>(DRAFT_LAYOUT_VERSION));
    out_.number(call);
    out_.number(uint16_t{0});
    out_.number(isShort_ ? uint32_t{0} : whole<uint32_t>(numberAt(2)));
    out_.number(isShort_ ? uint64_t{0} : whole<uint64_t>(numberAt(1)));
    out_.number(whole<uint64_t>(timeMs * 1e6));
    next_ = isShort_ ? 1 : 3;
    if (isShort_) {
      out_.number(static_cast<uint8_t>(head / 256));
      ++fields;
    }
    for (; *fields != '\0'; ++fields) {
      if (!field(*fields)) return false;
    }
    return out_.size() <= static_cast<size_t>(DRAFT_LAYOUT_MAX_DRAFT_BYTES);
  }

 private:
  bool field(char letter) {
    // Attributes and headers are what is left, so they may be missing; other fields may not.
    if (letter == 'a') return pairs(true);
    if (letter == 'H') return pairs(false);
    if (next_ >= arguments_.size()) return false;
    const size_t at = next_++;
    switch (letter) {
      case 'b': out_.number(whole<uint8_t>(numberAt(at))); return true;
      case 'h': out_.number(whole<uint16_t>(numberAt(at))); return true;
      case 'w': out_.number(whole<uint32_t>(numberAt(at))); return true;
      case 'q': out_.number(whole<uint64_t>(numberAt(at))); return true;
      case 'i': out_.number(whole<int64_t>(numberAt(at))); return true;
      case 'd': out_.number(numberAt(at)); return true;
      case 'f':
        out_.number(static_cast<uint8_t>(arguments_.kind(at) == Kind::Bool && arguments_.boolean(at)));
        return true;
      case 't':
        if (arguments_.kind(at) != Kind::Text) return false;
        return text(at, LIMIT_NAME_UNITS);
      case 'v': return value(arguments_, at, 0);
      case 'p': return phases(at);
      default: return false;
    }
  }

  double numberAt(size_t at) const { return arguments_.kind(at) == Kind::Number ? arguments_.number(at) : 0; }

  /// Writes a text. In a short call it must not be longer than the core keeps it.
  bool text(size_t at, int64_t most) {
    const size_t mark = out_.mark();
    arguments_.textInto(at, out_);
    return !isShort_ || out_.mark() - mark <= static_cast<size_t>(most) + sizeof(uint32_t);
  }

  bool pairs(bool areAttributes) {
    const size_t mark = out_.mark();
    out_.number(uint16_t{0});
    uint16_t count = 0;
    const size_t most = static_cast<size_t>(areAttributes ? LIMIT_ATTRIBUTES : LIMIT_HEADERS);
    for (; next_ + 1 < arguments_.size() && count < most; next_ += 2) {
      // The core cuts what an event cannot hold, and says so. What it could not even read is left out here.
      if (out_.size() > static_cast<size_t>(LIMIT_ATTRIBUTES_END_BYTES)) break;
      if (isShort_ && arguments_.kind(next_) == Kind::None) break;
      if (arguments_.kind(next_) != Kind::Text) return false;
      const Kind kind = arguments_.kind(next_ + 1);
      if (!areAttributes && kind != Kind::Text) return false;
      if (kind == Kind::None) continue;
      if (isShort_ && (kind == Kind::List || kind == Kind::Bytes || kind == Kind::Other)) return false;
      if (!text(next_, LIMIT_KEY_UNITS)) return false;
      if (areAttributes && kind != Kind::Text) {
        if (!value(arguments_, next_ + 1, 0)) return false;
      } else {
        if (areAttributes) out_.number(static_cast<uint8_t>(TAG_TEXT));
        if (!text(next_ + 1, LIMIT_TEXT_UNITS)) return false;
      }
      ++count;
    }
    out_.patch(mark, count);
    return true;
  }

  template <class Values>
  bool value(const Values& values, size_t at, int depth) {
    switch (values.kind(at)) {
      case Kind::None:
      case Kind::Other: out_.number(static_cast<uint8_t>(TAG_NONE)); return true;
      case Kind::Bool:
        out_.number(static_cast<uint8_t>(TAG_BOOL));
        out_.number(static_cast<uint8_t>(values.boolean(at)));
        return true;
      case Kind::Number: {
        const double number = values.number(at);
        // JavaScript has one kind of number. What is whole, and exact, is an integer.
        if (std::trunc(number) == number && std::fabs(number) <= 9007199254740991.0 &&
            !(number == 0 && std::signbit(number))) {
          out_.number(static_cast<uint8_t>(TAG_INT));
          out_.number(static_cast<int64_t>(number));
        } else {
          out_.number(static_cast<uint8_t>(TAG_DOUBLE));
          out_.number(number);
        }
        return true;
      }
      case Kind::Text:
        out_.number(static_cast<uint8_t>(TAG_TEXT));
        values.textInto(at, out_);
        return true;
      case Kind::Bytes:
        out_.number(static_cast<uint8_t>(TAG_BYTES));
        values.bytes(at, [this](const uint8_t* data, size_t size) { out_.bytes(data, size); });
        return true;
      case Kind::List: return tagged(values.list(at), depth);
    }
    return false;
  }

  /// A list of a tag and what it says.
  template <class Values>
  bool tagged(const Values& values, int depth) {
    if (values.size() == 0 || values.kind(0) != Kind::Number || depth > LIMIT_DEPTH) return false;
    const auto tag = whole<int64_t>(values.number(0));
    if (tag == TAG_INT && values.size() == 2 && values.kind(1) == Kind::Text) {
      const std::string digits = values.text(1);
      errno = 0;
      char* end = nullptr;
      const long long number = std::strtoll(digits.c_str(), &end, 10);
      if (errno != 0 || end == digits.c_str() || *end != '\0') return false;
      out_.number(static_cast<uint8_t>(TAG_INT));
      out_.number(static_cast<int64_t>(number));
      return true;
    }
    if (tag == TAG_DOUBLE && values.size() == 2 && values.kind(1) == Kind::Number) {
      out_.number(static_cast<uint8_t>(TAG_DOUBLE));
      out_.number(values.number(1));
      return true;
    }
    const bool isMap = tag == TAG_MAP;
    if (!isMap && tag != TAG_LIST) return false;
    out_.number(static_cast<uint8_t>(tag));
    const size_t mark = out_.mark();
    out_.number(uint16_t{0});
    uint16_t count = 0;
    const size_t each = isMap ? 2 : 1;
    for (size_t at = 1; at + each <= values.size() && count < LIMIT_ELEMENTS; at += each) {
      if (out_.size() > static_cast<size_t>(LIMIT_ATTRIBUTES_END_BYTES)) break;
      if (isMap) {
        if (values.kind(at) != Kind::Text) return false;
        values.textInto(at, out_);
      }
      // An element that is none stands for an empty text: lists and maps have no gaps.
      const size_t element = at + each - 1;
      if (values.kind(element) == Kind::None || values.kind(element) == Kind::Other) {
        out_.number(static_cast<uint8_t>(TAG_TEXT));
        out_.text("");
      } else if (!value(values, element, depth + 1)) {
        return false;
      }
      ++count;
    }
    out_.patch(mark, count);
    return true;
  }

  /// A flat list of (phase, ns after the start of the request, ns), or anything else for none.
  bool phases(size_t at) {
    if (arguments_.kind(at) != Kind::List) {
      out_.number(uint8_t{0});
      return true;
    }
    const auto list = arguments_.list(at);
    const size_t count = std::min<size_t>(list.size() / 3, 255);
    out_.number(static_cast<uint8_t>(count));
    for (size_t phase = 0; phase < count; ++phase) {
      auto number = [&list](size_t index) { return list.kind(index) == Kind::Number ? list.number(index) : 0; };
      out_.number(whole<uint8_t>(number(3 * phase)));
      out_.number(whole<uint64_t>(number(3 * phase + 1)));
      out_.number(whole<uint64_t>(number(3 * phase + 2)));
    }
    return true;
  }

  DraftBuffer& out_;
  const Arguments& arguments_;
  size_t next_ = 0;
  bool isShort_ = false;
};

}  // namespace throughline
