/*
 * calls.c: a plugin for QEMU that is called when a block of code begins and for each access, as a recorder
 * must be, and does nothing. For bench_recording: QEMU's part of the time. It declares the few functions that
 * it needs of version 1 of QEMU's plugin interface.
 */
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

enum { NO_REGISTERS = 0, LOADS_STORES = 3 };
struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*call)(unsigned vcpu, void *user),
                                          int registers, void *user);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*call)(unsigned vcpu, uint32_t info, uint64_t va, void *user),
                                      int registers, int which, void *user);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static void on_block(unsigned vcpu, void *user)
{
    (void)vcpu, (void)user;
}

static void on_data(unsigned vcpu, uint32_t info, uint64_t va, void *user)
{
    (void)vcpu, (void)info, (void)va, (void)user;
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, NULL);
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
        qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_data, NO_REGISTERS, LOADS_STORES,
                                         NULL);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    return 0;
}
