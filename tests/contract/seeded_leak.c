/* seeded_leak.c - a unit test that passes and leaks 77 bytes.
 *
 * Criterion hides the exit codes of the leak checkers; script/test runs this
 * to prove that its gates see the leak all the same. */
#include <criterion/criterion.h>
#include <stdlib.h>

Test(seeded, leak)
{
    char *volatile lost = malloc(77);
    cr_assert(lost != NULL);
    lost = NULL;
}
