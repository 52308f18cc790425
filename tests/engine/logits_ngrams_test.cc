#include "engine/logits_ngrams.h"

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using gemma::NgramIndex;

namespace {

std::vector<int32_t> followers(const NgramIndex& index) {
  std::vector<int32_t> result;
  index.for_each_follower([&](int32_t token) { result.push_back(token); });
  std::sort(result.begin(), result.end());
  return result;
}

// Looks at the whole text again.
std::vector<int32_t> slow_followers(const std::vector<int32_t>& text, size_t n) {
  std::set<int32_t> result;
  for (size_t start = 0; start + n <= text.size(); ++start) {
    if (std::equal(text.begin() + static_cast<std::ptrdiff_t>(start),
                   text.begin() + static_cast<std::ptrdiff_t>(start + n - 1),
                   text.end() - static_cast<std::ptrdiff_t>(n - 1))) {
      result.insert(text[start + n - 1]);
    }
  }
  return {result.begin(), result.end()};
}

}  // namespace

TEST_CASE("a bigram's second token follows its first again") {
  NgramIndex index(2);
  for (int32_t token : {5, 6, 5, 7, 5}) index.append(token);
  CHECK(followers(index) == std::vector<int32_t>{6, 7});
}

TEST_CASE("a text shorter than n has no followers") {
  NgramIndex index(3);
  CHECK(followers(index).empty());
  index.append(1);
  index.append(1);
  CHECK(followers(index).empty());
  index.append(1);
  CHECK(followers(index) == std::vector<int32_t>{1});
}

TEST_CASE("with n = 1 every token seen is a follower, once") {
  NgramIndex index(1);
  CHECK(followers(index).empty());
  for (int32_t token : {3, 4, 3, 3}) index.append(token);
  CHECK(followers(index) == std::vector<int32_t>{3, 4});
}

TEST_CASE("the index agrees with a search of the whole text, for every n and step") {
  std::mt19937_64 random(2);
  for (size_t n = 1; n <= 5; ++n) {
    NgramIndex index(n);
    std::vector<int32_t> text;
    for (int step = 0; step < 400; ++step) {
      text.push_back(static_cast<int32_t>(random() % 4));
      index.append(text.back());
      REQUIRE(followers(index) == slow_followers(text, n));
    }
  }
}

TEST_CASE("a copy is a fork: neither sees what the other appends") {
  NgramIndex index(2);
  index.append(1);
  index.append(2);
  NgramIndex fork = index;
  index.append(1);
  fork.append(3);
  fork.append(1);
  fork.append(9);
  fork.append(1);
  CHECK(followers(index) == std::vector<int32_t>{2});
  CHECK(followers(fork) == std::vector<int32_t>{2, 9});
}

TEST_CASE("a long text of one token stays cheap") {
  NgramIndex index(4);
  for (int i = 0; i < 300000; ++i) index.append(8);
  CHECK(followers(index) == std::vector<int32_t>{8});
}
