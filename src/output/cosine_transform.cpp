// pocketfft's way (M. Reinecke, BSD licence): a real Fourier transform of radix 2, 4, 4 between two
// rearrangements. Every addition and product in its order: which of two equal frequencies is the
// larger is decided by rounding.
#include "output/cosine_transform.hpp"

#include <cmath>

namespace ditbatch {

namespace {

constexpr std::size_t size = cosine_transform_size;

struct Sum {
  double sum, difference;
};
Sum both(double a, double b) { return {a + b, a - b}; }

/// A cosine and a sine.
struct Root {
  double cosine, sine;
};

Root product(Root const& a, Root const& b) {
  return {a.cosine * b.cosine - a.sine * b.sine, a.cosine * b.sine + a.sine * b.cosine};
}

// The angle 2 pi k / n, k no more than n / 2, taken back into the first eighth of the circle.
Root exact_root(std::size_t k, std::size_t n) {
  double const unit = static_cast<double>(0.25L * 3.141592653589793238462643383279502884197L /
                                          static_cast<long double>(n));
  auto const angle = [unit](std::size_t eighths) { return static_cast<double>(eighths) * unit; };
  std::size_t x = 8 * k;
  if (x < n) return {std::cos(angle(x)), std::sin(angle(x))};
  if (x < 2 * n) return {std::sin(angle(2 * n - x)), std::cos(angle(2 * n - x))};
  x -= 2 * n;
  if (x < n) return {-std::sin(angle(x)), std::cos(angle(x))};
  return {-std::cos(angle(2 * n - x)), std::sin(angle(2 * n - x))};
}

// The roots of unity up to half a turn. pocketfft makes each of a coarse and a fine one, and so
// rounds them in a way of its own.
template <std::size_t n>
std::array<Root, n / 2 + 1> make_roots() {
  std::size_t fine = 2;
  while (fine * fine < (n + 2) / 2) fine *= 2;
  std::array<Root, n / 2 + 1> roots{};
  for (std::size_t k = 0; k < roots.size(); ++k) {
    Root const one{1, 0};
    roots[k] = product(k % fine == 0 ? one : exact_root(k % fine, n),
                       k < fine ? one : exact_root(k / fine * fine, n));
  }
  return roots;
}

std::array<Root, size / 2 + 1> const roots_of_transform = make_roots<size>();
std::array<Root, 2 * size + 1> const roots_of_quarter = make_roots<4 * size>();

// One pass: `radix` lines of `run` values a group become values of a transform that is `radix`
// times as long. `groups` are done already.
struct Pass {
  std::size_t run, groups, radix;
  double const* in;
  double* out;
  [[nodiscard]] double from(std::size_t a, std::size_t b, std::size_t c) const {
    return in[a + run * (b + radix * c)];
  }
  [[nodiscard]] double& to(std::size_t a, std::size_t b, std::size_t c) const {
    return out[a + run * (b + groups * c)];
  }
  // Rotates (imaginary, real) by the angle of factor x at i and stores it.
  void rotate(std::size_t i, std::size_t k, std::size_t x, double imaginary, double real) const {
    Root const& root = roots_of_transform[x * groups * (i / 2)];
    to(i, k, x) = root.cosine * imaginary + root.sine * real;
    to(i - 1, k, x) = root.cosine * real - root.sine * imaginary;
  }
};

void pass_of_two(Pass const& p) {
  for (std::size_t k = 0; k < p.groups; ++k) {
    Sum const ends = both(p.from(0, 0, k), p.from(p.run - 1, 1, k));
    p.to(0, k, 0) = ends.sum;
    p.to(0, k, 1) = ends.difference;
    p.to(p.run - 1, k, 0) = 2 * p.from(p.run - 1, 0, k);
    p.to(p.run - 1, k, 1) = -2 * p.from(0, 1, k);
    for (std::size_t i = 2; i < p.run; i += 2) {
      std::size_t const back = p.run - i;
      Sum const real = both(p.from(i - 1, 0, k), p.from(back - 1, 1, k));
      Sum const imaginary = both(p.from(i, 0, k), p.from(back, 1, k));
      p.to(i - 1, k, 0) = real.sum;
      p.to(i, k, 0) = imaginary.difference;
      p.rotate(i, k, 1, imaginary.sum, real.difference);
    }
  }
}

void middle_of_four(Pass const& p, std::size_t k) {
  std::size_t const i = p.run - 1;
  constexpr double sqrt2 = 1.414213562373095048801688724209698;
  Sum const imaginary = both(p.from(0, 3, k), p.from(0, 1, k));
  Sum const real = both(p.from(i, 0, k), p.from(i, 2, k));
  p.to(i, k, 0) = real.sum + real.sum;
  p.to(i, k, 1) = sqrt2 * (real.difference - imaginary.sum);
  p.to(i, k, 2) = imaginary.difference + imaginary.difference;
  p.to(i, k, 3) = -sqrt2 * (real.difference + imaginary.sum);
}

void pass_of_four(Pass const& p) {
  for (std::size_t k = 0; k < p.groups; ++k) {
    Sum const outer = both(p.from(0, 0, k), p.from(p.run - 1, 3, k));
    Sum const even = both(outer.sum, 2 * p.from(p.run - 1, 1, k));
    Sum const odd = both(outer.difference, 2 * p.from(0, 2, k));
    p.to(0, k, 0) = even.sum;
    p.to(0, k, 2) = even.difference;
    p.to(0, k, 3) = odd.sum;
    p.to(0, k, 1) = odd.difference;
    if (p.run % 2 == 0) middle_of_four(p, k);
    for (std::size_t i = 2; i < p.run; i += 2) {
      std::size_t const back = p.run - i;
      Sum const real_03 = both(p.from(i - 1, 0, k), p.from(back - 1, 3, k));
      Sum const imaginary_03 = both(p.from(i, 0, k), p.from(back, 3, k));
      Sum const imaginary_21 = both(p.from(i, 2, k), p.from(back, 1, k));
      Sum const real_21 = both(p.from(i - 1, 2, k), p.from(back - 1, 1, k));
      Sum const real_even = both(real_03.sum, real_21.sum);
      Sum const imaginary_even = both(imaginary_03.difference, imaginary_21.difference);
      Sum const real_odd = both(real_03.difference, imaginary_21.sum);
      Sum const imaginary_odd = both(imaginary_03.sum, real_21.difference);
      p.to(i - 1, k, 0) = real_even.sum;
      p.to(i, k, 0) = imaginary_even.sum;
      p.rotate(i, k, 1, imaginary_odd.sum, real_odd.difference);
      p.rotate(i, k, 2, imaginary_even.difference, real_even.difference);
      p.rotate(i, k, 3, imaginary_odd.difference, real_odd.sum);
    }
  }
}

// The real transform back from frequencies, not normalised.
void inverse_transform(CosineLine& line) {
  CosineLine other{};
  pass_of_two({size / 2, 1, 2, line.data(), other.data()});
  pass_of_four({size / 8, 2, 4, other.data(), line.data()});
  pass_of_four({1, 8, 4, line.data(), other.data()});
  line = other;
}

}  // namespace

void cosine_transform(CosineLine& line) {
  line[0] *= 2;
  line[size - 1] *= 2;
  for (std::size_t k = 1; k < size - 1; k += 2) {
    Sum const pair = both(line[k + 1], line[k]);
    line[k + 1] = pair.difference;
    line[k] = pair.sum;
  }
  inverse_transform(line);
  for (std::size_t k = 1, back = size - 1; k < size / 2; ++k, --back) {
    double const near = roots_of_quarter[k].cosine;
    double const far = roots_of_quarter[back].cosine;
    double const a = near * line[back] + far * line[k];
    double const b = near * line[k] - far * line[back];
    line[k] = 0.5 * (a + b);
    line[back] = 0.5 * (a - b);
  }
  line[size / 2] *= roots_of_quarter[size / 2].cosine;
}

}  // namespace ditbatch
