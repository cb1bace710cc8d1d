/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame whose memory cannot be read before a test says so: whoever maps it waits at a gate. So a
 * test holds gemma4embed's worker busy exactly as long as it wants, without looking at a clock.
 */
#ifndef GATE_H
#define GATE_H

#include <gst/gst.h>
#include <sys/resource.h>

typedef struct {
    GMutex lock;
    GCond changed;
    gboolean open;
    guint waiting; /* threads that are at the gate */
    guint passed;
    int nice; /* of the last thread that came */
} Gate;

typedef struct {
    GstMemory memory;
    guint8 *data;
    Gate *gate; /* borrowed */
} GateMemory;

typedef struct {
    GstAllocator parent;
} GateAllocator;

typedef struct {
    GstAllocatorClass parent_class;
} GateAllocatorClass;

GType gate_allocator_get_type(void);
G_DEFINE_TYPE(GateAllocator, gate_allocator, GST_TYPE_ALLOCATOR)

/* Waits until the gate is open. */
static inline void gate_stand(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->nice = getpriority(PRIO_PROCESS, 0);
    gate->waiting++;
    g_cond_broadcast(&gate->changed);
    while (!gate->open)
        g_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    gate->passed++;
    g_mutex_unlock(&gate->lock);
}

static gpointer gate_map(GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
    gate_stand(((GateMemory *)memory)->gate);
    return ((GateMemory *)memory)->data;
}

static void gate_unmap(GstMemory *memory)
{
}

static void gate_memory_free(GstAllocator *allocator, GstMemory *memory)
{
    g_free(((GateMemory *)memory)->data);
    g_free(memory);
}

static void gate_allocator_class_init(GateAllocatorClass *klass)
{
    GST_ALLOCATOR_CLASS(klass)->free = gate_memory_free;
}

static void gate_allocator_init(GateAllocator *self)
{
    GstAllocator *allocator = GST_ALLOCATOR(self);

    allocator->mem_type = "gate";
    allocator->mem_map = gate_map;
    allocator->mem_unmap = gate_unmap;
    GST_OBJECT_FLAG_SET(allocator, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
}

static inline void gate_init(Gate *gate)
{
    *gate = (Gate){0};
    g_mutex_init(&gate->lock);
    g_cond_init(&gate->changed);
}

static inline void gate_clear(Gate *gate)
{
    g_mutex_clear(&gate->lock);
    g_cond_clear(&gate->changed);
}

/* The same buffer behind the gate; takes it. */
static inline GstBuffer *gate_buffer(Gate *gate, GstBuffer *buffer)
{
    GstBuffer *gated = gst_buffer_new();
    GateMemory *memory = g_new0(GateMemory, 1);
    GstAllocator *allocator = g_object_new(gate_allocator_get_type(), NULL);
    gsize size;

    gst_buffer_extract_dup(buffer, 0, -1, (gpointer *)&memory->data, &size);
    memory->gate = gate;
    gst_object_ref_sink(allocator);
    gst_memory_init(&memory->memory, GST_MEMORY_FLAG_NO_SHARE, allocator, NULL, size, 0, 0, size);
    gst_object_unref(allocator);
    gst_buffer_append_memory(gated, &memory->memory);
    gst_buffer_copy_into(gated, buffer, GST_BUFFER_COPY_METADATA, 0, -1);
    gst_buffer_unref(buffer);
    return gated;
}

static inline void gate_open(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->open = TRUE;
    g_cond_broadcast(&gate->changed);
    g_mutex_unlock(&gate->lock);
}

static inline void gate_shut(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    gate->open = FALSE;
    g_mutex_unlock(&gate->lock);
}

/* Until somebody stands at the shut gate. */
static inline void gate_wait(Gate *gate)
{
    g_mutex_lock(&gate->lock);
    while (gate->waiting == 0)
        g_cond_wait(&gate->changed, &gate->lock);
    g_mutex_unlock(&gate->lock);
}

#endif /* GATE_H */
