/* SPDX-License-Identifier: Apache-2.0
 *
 * The CPU time that control groups leave to this process.
 */
#ifndef G4_QUOTA_H
#define G4_QUOTA_H

#include <glib.h>

/* Cores, rounded up, that the CPU controllers of cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us)
 * leave: the least over the process's own group, which /proc/self/cgroup names, and all above it
 * that can be seen. 0 where there is no quota. Files are looked for under `root`: "/", or what a
 * test made. Thread safe. */
guint g4_cpu_quota(const char *root);

#endif /* G4_QUOTA_H */
