#include "http/detach.h"
#include "http/server.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <unistd.h>

static unsigned open_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

Test(selftest, passes_with_this_libmicrohttpd)
{
    struct errmsg why = {""};

    cr_assert_eq(http_selftest(&why), 0, "%s", why.text);
}

Test(selftest, leaves_no_descriptor)
{
    struct errmsg why = {""};
    unsigned before;

    cr_assert_eq(http_selftest(&why), 0);
    before = open_descriptors();
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(http_selftest(&why), 0);
    }
    cr_assert_eq(open_descriptors(), before);
}

Test(selftest, needs_no_reason)
{
    cr_assert_eq(http_selftest(NULL), 0);
}

Test(selftest, dummy_is_a_socket_of_its_own)
{
    int fd = detach_dummy();

    cr_assert_geq(fd, 0);
    cr_assert_eq(close(fd), 0);
}
