#include "CWMProxyOpenSSL.h"

#include <pthread.h>
#include <string.h>

static int window_write(BIO *bio, const char *bytes, size_t length, size_t *written) {
    wmpo_window *window = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t room = window->output_capacity - window->output_length;
    if (room == 0) {
        BIO_set_retry_write(bio);
        return 0;
    }
    *written = length < room ? length : room;
    memcpy(window->output + window->output_length, bytes, *written);
    window->output_length += *written;
    return 1;
}

static int window_read(BIO *bio, char *bytes, size_t length, size_t *read) {
    wmpo_window *window = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (window->input_length == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *read = length < window->input_length ? length : window->input_length;
    memcpy(bytes, window->input, *read);
    window->input += *read;
    window->input_length -= *read;
    return 1;
}

static long window_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int window_create(BIO *bio) {
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *method;

static void make_method(void) {
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wmproxy window");
    if (!made) return;
    BIO_meth_set_write_ex(made, window_write);
    BIO_meth_set_read_ex(made, window_read);
    BIO_meth_set_ctrl(made, window_ctrl);
    BIO_meth_set_create(made, window_create);
    method = made;
}

BIO *wmpo_bio(wmpo_window *window) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_method);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (bio) BIO_set_data(bio, window);
    return bio;
}
