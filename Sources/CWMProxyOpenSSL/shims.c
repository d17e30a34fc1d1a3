#include "CWMProxyOpenSSL.h"

#include <string.h>

const int wmpo_tls12 = TLS1_2_VERSION, wmpo_tls13 = TLS1_3_VERSION;
const uint64_t wmpo_edge_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE;

int wmpo_ctx_set_min_version(SSL_CTX *ctx, int version) { return SSL_CTX_set_min_proto_version(ctx, version); }

void wmpo_ctx_set_modes(SSL_CTX *ctx) {
    SSL_CTX_set_mode(
        ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

void wmpo_set_keeps_buffers(SSL *ssl, int keeps) {
    if (keeps)
        SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    else
        SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
}

int wmpo_ctx_add_chain_certificate(SSL_CTX *ctx, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}
int wmpo_ctx_set_groups(SSL_CTX *ctx, const char *groups) { return (int)SSL_CTX_set1_groups_list(ctx, groups); }
void wmpo_ctx_disable_session_cache(SSL_CTX *ctx) { SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); }
int wmpo_set_server_name(SSL *ssl, const char *name) { return (int)SSL_set_tlsext_host_name(ssl, name); }

static int add_extension(X509 *certificate, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    int done = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return done;
}

int wmpo_self_signed(const char *name, int days, EVP_PKEY **key, X509 **certificate) {
    EVP_PKEY *made_key = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    unsigned char serial[16];
    char names[300];
    BIGNUM *number = NULL;
    int done = 0;

    if (!made_key || !made || RAND_bytes(serial, sizeof serial) != 1) goto out;
    serial[0] &= 0x7F; /* RFC 5280 §4.1.2.2: positive */
    number = BN_bin2bn(serial, sizeof serial, NULL);
    if (!number || !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(made))) goto out;
    if (!X509_set_version(made, 2) || !X509_gmtime_adj(X509_getm_notBefore(made), -86400L) ||
        !X509_gmtime_adj(X509_getm_notAfter(made), 86400L * days) || !X509_set_pubkey(made, made_key))
        goto out;
    X509_NAME *subject = X509_get_subject_name(made);
    if (!X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0)) goto out;
    if (!X509_set_issuer_name(made, subject)) goto out;
    BIO_snprintf(names, sizeof names, "DNS:%s", name);
    if (!add_extension(made, NID_subject_alt_name, names) ||
        !add_extension(made, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(made, NID_ext_key_usage, "serverAuth"))
        goto out;
    if (!X509_sign(made, made_key, EVP_sha256())) goto out;
    *key = made_key;
    *certificate = made;
    done = 1;
out:
    BN_free(number);
    if (!done) {
        EVP_PKEY_free(made_key);
        X509_free(made);
    }
    return done;
}
