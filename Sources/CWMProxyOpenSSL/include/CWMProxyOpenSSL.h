/* OpenSSL for Swift: its headers, the macros that Swift cannot call, and a BIO over two memory ranges. */
#ifndef CWMPROXY_OPENSSL_H
#define CWMPROXY_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* The ciphertext at hand and the room for more: set before each call into libssl, read after it. Nothing is owned. */
typedef struct wmpo_window {
    const uint8_t *input;
    size_t input_length;
    uint8_t *output;
    size_t output_length;
    size_t output_capacity;
} wmpo_window;

/* A BIO that reads `window->input` and appends to `window->output`, and asks for a retry when one is empty or the
   other full. It holds the pointer, which must outlive it. NULL when out of memory. */
BIO *wmpo_bio(wmpo_window *window);

int wmpo_ctx_set_min_version(SSL_CTX *ctx, int version);
void wmpo_ctx_set_modes(SSL_CTX *ctx);
/* Whether libssl keeps its record buffers, 16 KiB each way, after a call that emptied them; not at first. */
void wmpo_set_keeps_buffers(SSL *ssl, int keeps);
int wmpo_ctx_add_chain_certificate(SSL_CTX *ctx, X509 *certificate);
int wmpo_ctx_set_groups(SSL_CTX *ctx, const char *groups);
void wmpo_ctx_disable_session_cache(SSL_CTX *ctx);
int wmpo_set_server_name(SSL *ssl, const char *name);
/* A self-signed P-256 certificate for `name`, valid from a day ago for `days`. 1, or 0 with the error queue set. */
int wmpo_self_signed(const char *name, int days, EVP_PKEY **key, X509 **certificate);

/* The `index`th DNS name among the alternative names: 1; -1: it does not fit or is no text; 0: there are no more. */
int wmpo_dns_name(const X509 *certificate, int index, char *name, size_t size);
/* Whom it is for: the first DNS name, else e-mail address, else common name. 1, or 0 if it names nobody. */
int wmpo_subject(const X509 *certificate, char *name, size_t size);
/* Clients must show a certificate that chains to one in the PEM file. 1, or 0 with the error queue set. */
int wmpo_ctx_require_client(SSL_CTX *ctx, const char *authorities);
typedef int (*wmpo_choose)(SSL *ssl, int *alert, void *argument);
/* `choose` is asked for each client's hello; it may take another SSL_CTX. */
void wmpo_ctx_set_server_name_callback(SSL_CTX *ctx, wmpo_choose choose, void *argument);

extern const int wmpo_tls12, wmpo_tls13;
extern const uint64_t wmpo_edge_options;

#endif
