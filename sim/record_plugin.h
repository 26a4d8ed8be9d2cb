/*
 * sim/record_plugin.h: the few functions of QEMU's plugin interface that the recorder uses, version 1, which
 * QEMU 6.0 to 8.1 offer (Debian 12: 7.2). Written from QEMU's documentation, since Debian ships no header;
 * QEMU refuses a plugin whose qemu_plugin_version it does not offer.
 */
#ifndef SIM_RECORD_PLUGIN_H
#define SIM_RECORD_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QEMU_API_VERSION = 1 };

/* What the plugin is told about QEMU. Members behind these are of no use here. */
struct qemu_api_info {
    const char *target_name; /* "x86_64" */
    struct {
        int min, cur; /* versions of the interface that this QEMU offers */
    } version;
    bool system_emulation; /* a whole machine, no program */
};

struct qemu_plugin_tb;   /* a block of code being translated */
struct qemu_plugin_insn; /* an instruction of it */

enum qemu_api_registers { QEMU_API_NO_REGISTERS }; /* what a callback wants of them */
enum qemu_api_memory { QEMU_API_LOADS = 1, QEMU_API_STORES = 2, QEMU_API_LOADS_STORES = 3 };

void qemu_plugin_register_vcpu_init_cb(uint64_t id, void (*call)(uint64_t id, unsigned vcpu));
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*call)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*call)(unsigned vcpu, void *user),
                                          enum qemu_api_registers registers, void *user);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*call)(unsigned vcpu, uint32_t info, uint64_t va, void *user),
                                      enum qemu_api_registers registers, enum qemu_api_memory which,
                                      void *user);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t id,
                                          void (*call)(uint64_t id, unsigned vcpu, int64_t number,
                                                       uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8));
void qemu_plugin_register_vcpu_syscall_ret_cb(uint64_t id, void (*call)(uint64_t id, unsigned vcpu,
                                                                        int64_t number, int64_t result));
void qemu_plugin_reset(uint64_t id, void (*done)(uint64_t id));

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn); /* where this process has it in memory */
unsigned qemu_plugin_mem_size_shift(uint32_t info);                /* log2 of the bytes */
bool qemu_plugin_mem_is_store(uint32_t info); /* also of one that loads and stores at once */

#endif
