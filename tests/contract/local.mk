# What no unit test sees: rules over all sources, and the installed package.
contract_tests = \
	tests/contract/selftest.sh \
	tests/contract/check-layers.sh \
	tests/contract/check-calls.sh \
	tests/contract/check-lists.sh \
	tests/contract/check-text.sh \
	tests/contract/check-fuzz.sh \
	tests/contract/check-symbols.sh \
	tests/contract/check-header.sh \
	tests/contract/check-options.sh \
	tests/contract/check-docs.sh \
	tests/contract/check-example.sh \
	tests/contract/check-bench.sh \
	tests/contract/check-bench-report.sh
TESTS += $(contract_tests)

# Prints the table of options, for check-options.sh.
check_PROGRAMS += tests/contract/options_dump
tests_contract_options_dump_SOURCES = tests/contract/options_dump.c
tests_contract_options_dump_LDADD = $(floor_conf)

# Programs with a fault inside; script/test proves with them that the leak and
# race gates bite.
EXTRA_PROGRAMS += tests/contract/seeded_leak tests/contract/seeded_race
tests_contract_seeded_leak_SOURCES = tests/contract/seeded_leak.c
tests_contract_seeded_leak_CPPFLAGS = $(AM_CPPFLAGS) $(CRITERION_CFLAGS)
tests_contract_seeded_leak_LDADD = $(CRITERION_LIBS)
tests_contract_seeded_race_SOURCES = tests/contract/seeded_race.c
tests_contract_seeded_race_LDADD =
