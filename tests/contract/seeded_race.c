/* seeded_race.c - two threads that write one counter without a lock.
 *
 * script/test runs this to prove that its gate for data races bites. */
#include <pthread.h>
#include <stddef.h>

static long counter;

static void *count(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        counter++;
    }
    return arg;
}

int main(void)
{
    pthread_t a, b;
    if (pthread_create(&a, NULL, count, NULL) != 0) {
        return 1;
    }
    if (pthread_create(&b, NULL, count, NULL) != 0) {
        pthread_join(a, NULL);
        return 1;
    }
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    return 0;
}
