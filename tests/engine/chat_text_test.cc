#include "engine/chat_text.h"

#include <doctest/doctest.h>

#include <limits>

using namespace gemma;

TEST_CASE("strip removes what Python calls white space, at both ends only") {
  CHECK(strip(" \t\r\n\v\f a b \n") == "a b");
  CHECK(strip("\x1c\x1d\x1e\x1f"
              "a") == "a");
  CHECK(strip("\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000x\u3000\u00a0") == "x");
  CHECK(strip(" \n ") == "");
  CHECK(strip("") == "");
}

TEST_CASE("strip keeps characters that only look blank, and broken UTF-8") {
  CHECK(strip("\u200b x \ufeff") == "\u200b x \ufeff");
  CHECK(strip("\xa0 a \x85") == "\xa0 a \x85");
  CHECK(strip("\x80\x80\x80\x80") == "\x80\x80\x80\x80");
  CHECK(strip("é") == "é");
}

TEST_CASE("floating-point numbers are printed as Python prints them") {
  CHECK(float_text(1.0) == "1.0");
  CHECK(float_text(-0.0) == "-0.0");
  CHECK(float_text(0.1) == "0.1");
  CHECK(float_text(18.25) == "18.25");
  CHECK(float_text(-120.0) == "-120.0");
  CHECK(float_text(0.0001) == "0.0001");
  CHECK(float_text(0.00001) == "1e-05");
  CHECK(float_text(1.5e-7) == "1.5e-07");
  CHECK(float_text(1e15) == "1000000000000000.0");
  CHECK(float_text(9999999999999998.0) == "9999999999999998.0");
  CHECK(float_text(1e16) == "1e+16");
  CHECK(float_text(1e20) == "1e+20");
  CHECK(float_text(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(float_text(5e-324) == "5e-324");
  CHECK(float_text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(float_text(-std::numeric_limits<double>::infinity()) == "-inf");
  CHECK(float_text(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("order ignores the case of ASCII letters and is by code point otherwise") {
  CHECK(less_ignoring_case("a", "B"));
  CHECK(less_ignoring_case("A", "b"));
  CHECK_FALSE(less_ignoring_case("a", "A"));
  CHECK_FALSE(less_ignoring_case("A", "a"));
  CHECK(less_ignoring_case("a", "ab"));
  CHECK(less_ignoring_case("_", "a"));
  CHECK(less_ignoring_case("Z", "é"));
}

TEST_CASE("upper-casing leaves what is not an ASCII letter") {
  CHECK(upper("string_1é") == "STRING_1é");
}

TEST_CASE("channels are cut out of an answer, unfinished and stray ones too") {
  CHECK(strip_channels("<|channel>thought\nhmm\n<channel|>Hello! ") == "Hello!");
  CHECK(strip_channels("a<|channel>x<channel|>b<|channel>y<channel|>c") == "abc");
  CHECK(strip_channels("a <|channel>never closed") == "a");
  CHECK(strip_channels("a<channel|>b") == "ab");
  CHECK(strip_channels("a<|channel>x<|channel>y<channel|>b") == "ab");
  CHECK(strip_channels("") == "");
}
