/* embed.c - a gateway inside a program.
 *
 *     cc embed.c $(pkg-config --cflags --libs fanfare) -o embed && ./embed
 *     curl -N 'http://.../events?channel=orders'    (the URL it prints) */
#include <fanfare/fanfare.h>

#include <stdio.h>

static void on_event(struct fanfare *gw, const struct fanfare_event *event, void *user)
{
    (void)user;
    if (event->kind == FANFARE_EVENT_CLIENT_CONNECTED) {
        printf("connected %s\n", event->transport);
        if (fanfare_broadcast_channel(gw, "orders", "created", "{\"id\":7}", NULL) != 0) {
            fputs("not published\n", stderr);
        }
    } else if (event->kind == FANFARE_EVENT_PUBLISHED) {
        printf("published %s to %s: %s\n", event->type, event->channel, event->data);
    } else if (event->kind == FANFARE_EVENT_CLIENT_DISCONNECTED) {
        printf("disconnected %s\n", event->transport);
    }
    fflush(stdout);
}

int main(void)
{
    struct fanfare_options *options = NULL;
    struct fanfare *gw = NULL;
    struct fanfare_why why = {""};
    int rc = fanfare_options_new(&options);

    if (rc == 0 && (rc = fanfare_options_set(options, "listen", "127.0.0.1:0", &why)) == 0 &&
        (rc = fanfare_new(options, &gw, &why)) == 0 &&
        (rc = fanfare_on(gw, FANFARE_EVENT_ALL, on_event, NULL)) == 0 &&
        (rc = fanfare_start(gw, &why)) == 0) {
        printf("open %s/events?channel=orders, Enter ends\n", fanfare_url(gw, 0));
        fflush(stdout);
        getchar();
    } else {
        fprintf(stderr, "%s: %s\n", fanfare_strerror(rc), why.text);
    }
    fanfare_free(gw);
    fanfare_options_free(options);
    return rc != 0;
}
