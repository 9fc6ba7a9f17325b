/* criterion.h - stands in for the unit tests' framework, so that fuzz targets
 * can use the rigs of tests/unit: an assertion that fails is a finding. */
#ifndef FF_FUZZ_CRITERION_H
#define FF_FUZZ_CRITERION_H

#include "../fuzz.h"

#define cr_assert(cond, ...) FUZZ_CHECK(cond, __VA_ARGS__)
#define cr_assert_not(cond, ...) FUZZ_CHECK(!(cond), __VA_ARGS__)
#define cr_assert_eq(a, b, ...) FUZZ_CHECK((a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) FUZZ_CHECK((a) != (b), __VA_ARGS__)
#define cr_assert_geq(a, b, ...) FUZZ_CHECK((a) >= (b), __VA_ARGS__)
#define cr_assert_leq(a, b, ...) FUZZ_CHECK((a) <= (b), __VA_ARGS__)
#define cr_assert_gt(a, b, ...) FUZZ_CHECK((a) > (b), __VA_ARGS__)
#define cr_assert_lt(a, b, ...) FUZZ_CHECK((a) < (b), __VA_ARGS__)
#define cr_assert_null(p, ...) FUZZ_CHECK((p) == NULL, __VA_ARGS__)
#define cr_assert_not_null(p, ...) FUZZ_CHECK((p) != NULL, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) FUZZ_CHECK(strcmp((a), (b)) == 0, __VA_ARGS__)

#endif
