/* word.c - which shard a process is.  Sources: sbatch(1), srun(1), "Output environment variables"; mpirun(1)
 * of Open MPI; the PMI of MPICH. */
#include <errno.h>
#include <stdlib.h>

#include "shard/shard.h"

typedef const char *(*variables)(const char *name);

/* A whole number below TEMPO_MAX_SHARDS; false for NULL and anything else. */
static bool number(const char *text, uint32_t *out)
{
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return false;
    errno = 0;
    const unsigned long v = strtoul(text, &end, 10);
    *out = (uint32_t)v;
    return *end == '\0' && errno == 0 && v <= TEMPO_MAX_SHARDS;
}

/* Ranks of MPI, or tasks of one Slurm step. */
static bool find_rank(variables variable, uint32_t *rank, uint32_t *size)
{
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                           {"PMI_RANK", "PMI_SIZE"},
                                           {"PMIX_RANK", "PMIX_SIZE"},
                                           {"PMIX_RANK", "SLURM_NTASKS"},
                                           {"SLURM_PROCID", "SLURM_NTASKS"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (number(variable(names[i][0]), rank) && number(variable(names[i][1]), size) && *rank < *size)
            return true;
    return false;
}

/* Slurm numbers the tasks of an array as --array says: from MIN in steps of STEP. */
static bool find_array(variables variable, uint32_t *task, uint32_t *tasks)
{
    uint32_t id, least, step = 1;

    if (!number(variable("SLURM_ARRAY_TASK_ID"), &id) || !number(variable("SLURM_ARRAY_TASK_COUNT"), tasks) ||
        !number(variable("SLURM_ARRAY_TASK_MIN"), &least))
        return false;
    (void)(number(variable("SLURM_ARRAY_TASK_STEP"), &step));
    *task = step > 0 && id >= least ? (id - least) / step : 0;
    return step > 0 && id >= least && (id - least) % step == 0 && *task < *tasks;
}

static tempo_status find(variables variable, uint32_t *shard, uint32_t *of, tempo_err *err)
{
    uint32_t rank = 0, size = 1, task = 0, tasks = 1;
    const bool ranks = find_rank(variable, &rank, &size), array = find_array(variable, &task, &tasks);

    if (!ranks)
        rank = 0, size = 1;
    if (!array)
        task = 0, tasks = 1;
    if (variable("SLURM_ARRAY_TASK_ID") != NULL && !array)
        return tempo_fail_field(err, TEMPO_E_ARG, "shard",
                                "auto: the tasks of this Slurm array are not numbered evenly; give I/N");
    if (!ranks && !array)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "shard",
            "auto: neither a Slurm array (SLURM_ARRAY_TASK_ID) nor MPI or Slurm tasks "
            "(OMPI_COMM_WORLD_RANK, PMI_RANK, PMIX_RANK, SLURM_PROCID) are set; give I/N");
    if ((uint64_t)size * tasks > TEMPO_MAX_SHARDS)
        return tempo_fail_field(err, TEMPO_E_ARG, "shard",
                                "auto: %u ranks in %u array tasks, at most %d together", (unsigned)size,
                                (unsigned)tasks, TEMPO_MAX_SHARDS);
    *shard = task * size + rank;
    *of = size * tasks;
    return TEMPO_OK;
}

tempo_status tempo_shard_parse(const char *text, const char *(*variable)(const char *name), uint32_t *shard,
                               uint32_t *of, tempo_err *err)
{
    char *end;

    if (text[0] == 'a' && text[1] == 'u' && text[2] == 't' && text[3] == 'o' && text[4] == '\0')
        return find(variable, shard, of, err);
    errno = 0;
    const unsigned long i = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '/' || errno != 0 || !number(end + 1, of) || i >= *of)
        return tempo_fail_field(
            err, TEMPO_E_ARG, "shard",
            "'%.40s' is no shard: expected auto, or I/N with I from 0 to N - 1, such as 0/4", text);
    *shard = (uint32_t)i;
    return TEMPO_OK;
}
