// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whether code can run with a shadow stack (user/library/shadow_stack.c): files with one note each, and the flags of processors. */
#include "library/shadow_stack.h"

#include <endian.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	TYPE_PROPERTIES = 5,
	FEATURES = 0xc0000002, /* GNU_PROPERTY_X86_FEATURE_1_AND */
	NEEDED = 0xc0008002,   /* GNU_PROPERTY_X86_ISA_1_NEEDED */
	IBT = 1,
	SHSTK = 2,
	WORDS_MAX = 16,
};

static const char WITH[] = "processor\t: 0\nflags\t\t: fpu vme user_shstk ibt\nvmx flags\t: vnmi\n";
static const char WITHOUT[] = "processor\t: 0\nflags\t\t: fpu shstk user_shstk_x\nbugs\t\t: user_shstk\n";

struct file {
	struct elf_image image;
	int descriptor;
};

/* A section of the file, with its data where there is some. */
static Elf_Scn *put_section(Elf *elf, uint32_t name, uint32_t type, void *bytes, size_t length)
{
	Elf_Scn *section = elf_newscn(elf);
	Elf64_Shdr *header = elf64_getshdr(section);
	Elf_Data *data = elf_newdata(section);

	header->sh_name = name;
	header->sh_type = type;
	header->sh_addralign = type == SHT_NOTE ? 8 : 1;
	data->d_buf = bytes;
	data->d_size = length;
	data->d_align = header->sh_addralign;
	return section;
}

/* A file with a note of these words (length of name, length of the rest, type, name, rest); none where count is 0. */
static void make_file(struct file *file, const uint32_t *words, size_t count)
{
	static char names[] = "\0.note.gnu.property\0.shstrtab";
	uint32_t note[WORDS_MAX];
	Elf64_Ehdr *header;
	Elf *elf;

	for (size_t index = 0; index < count; index++)
		note[index] = htole32(words[index]);
	elf_version(EV_CURRENT);
	file->descriptor = memfd_create("elf", MFD_CLOEXEC);
	assert_true(file->descriptor >= 0);
	elf = elf_begin(file->descriptor, ELF_C_WRITE, NULL);
	assert_non_null(elf);
	header = elf64_newehdr(elf);
	header->e_ident[EI_DATA] = ELFDATA2LSB;
	header->e_machine = EM_X86_64;
	header->e_type = ET_DYN;
	if (count)
		put_section(elf, 1, SHT_NOTE, note, count * sizeof(*note));
	header->e_shstrndx = elf_ndxscn(put_section(elf, 20, SHT_STRTAB, names, sizeof(names)));
	assert_true(elf_update(elf, ELF_C_WRITE) > 0);
	elf_end(elf);
	assert_int_equal(elf_image_open(&file->image, file->descriptor), 0);
}

static bool possible(const uint32_t *words, size_t count, const char *flags)
{
	char path[32] = "/nowhere";
	int descriptor = -1;
	struct file file;
	bool result;

	make_file(&file, words, count);
	if (flags) {
		descriptor = memfd_create("cpuinfo", MFD_CLOEXEC);
		assert_int_equal(write(descriptor, flags, strlen(flags)), strlen(flags));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	}
	result = shadow_stack_in_file(&file.image) && shadow_stack_on_host(path);
	elf_image_close(&file.image);
	close(file.descriptor);
	if (descriptor >= 0)
		close(descriptor);
	return result;
}

#define NAME         0x00554e47 /* "GNU" */
#define COUNT(words) (sizeof(words) / sizeof((words)[0]))

static const uint32_t marked[] = {4, 16, TYPE_PROPERTIES, NAME, FEATURES, 4, IBT | SHSTK, 0};

static void where_both_have_it(void **state)
{
	(void)state;
	assert_true(possible(marked, COUNT(marked), WITH));
}

static void not_where_the_processor_has_none(void **state)
{
	(void)state;
	assert_false(possible(marked, COUNT(marked), WITHOUT));
}

static void where_the_processor_is_not_known(void **state)
{
	(void)state;
	assert_true(possible(marked, COUNT(marked), NULL));
	assert_true(possible(marked, COUNT(marked), "processor\t: 0\n"));
}

static void behind_other_properties(void **state)
{
	static const uint32_t words[] = {4, 32, TYPE_PROPERTIES, NAME, NEEDED, 4, 1, 0, FEATURES, 4, SHSTK, 0};

	(void)state;
	assert_true(possible(words, COUNT(words), WITH));
}

static void not_where_the_file_is_not_made_for_it(void **state)
{
	static const uint32_t branches[] = {4, 16, TYPE_PROPERTIES, NAME, FEATURES, 4, IBT, 0};
	static const uint32_t needed[] = {4, 16, TYPE_PROPERTIES, NAME, NEEDED, 4, IBT | SHSTK, 0};

	(void)state;
	assert_false(possible(branches, COUNT(branches), WITH));
	assert_false(possible(needed, COUNT(needed), WITH));
	assert_false(possible(NULL, 0, WITH));
}

static void where_the_note_cannot_be_read(void **state)
{
	/* properties longer than the note, a value shorter than a word, a note longer than its section */
	static const uint32_t longer[] = {4, 16, TYPE_PROPERTIES, NAME, NEEDED, 64, 0, 0};
	static const uint32_t shorter[] = {4, 16, TYPE_PROPERTIES, NAME, FEATURES, 2, 0, 0};
	static const uint32_t beyond[] = {4, 64, TYPE_PROPERTIES, NAME, NEEDED, 4, 0, 0};

	(void)state;
	assert_true(possible(longer, COUNT(longer), WITH));
	assert_true(possible(shorter, COUNT(shorter), WITH));
	assert_true(possible(beyond, COUNT(beyond), WITH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_both_have_it),
		cmocka_unit_test(not_where_the_processor_has_none),
		cmocka_unit_test(where_the_processor_is_not_known),
		cmocka_unit_test(behind_other_properties),
		cmocka_unit_test(not_where_the_file_is_not_made_for_it),
		cmocka_unit_test(where_the_note_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
