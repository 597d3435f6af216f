"""The contractions of `monotile bench einsum`: the case's name, which begins with the equation, and the operands' shapes."""

TENSORS = ((16, 16, 6),) * 8 + ((6, 6, 6, 6),) * 2
EQUATIONS = (
    ("ij,jk->ik", (512, 512), (512, 512)),
    ("ij,kj->ki", (512, 512), (512, 512)),
    ("ji,jk->ik", (512, 512), (512, 512)),
    ("bthd,bshd->bhts", (2, 512, 8, 64), (2, 512, 8, 64)),
    ("bhts,bshd->bthd", (2, 8, 512, 512), (2, 512, 8, 64)),
    ("bhqd,bhkd->bhqk", (2, 8, 512, 64), (2, 8, 512, 64)),
    ("ij,ij->i", (4096, 1024), (4096, 1024)),
    ("ij,ij->", (2048, 2048), (2048, 2048)),
    ("ij,j->i", (4096, 4096), (4096,)),
    ("bi,oij,bj->bo", (64, 128), (128, 128, 128), (64, 128)),
    ("ij,jk,kl,lm->im", (512, 8), (8, 512), (512, 8), (8, 512)),
    ("abcd,cdef->abef", (16, 16, 32, 32), (32, 32, 16, 16)),
    ("abcd,dbea->ec", (24,) * 4, (24,) * 4),
    ("ijkl,jmln->ikmn", (32,) * 4, (32,) * 4),
    ("ij,k->kji", (128, 128), (128,)),
    ("ii->", (2048, 2048)),
    ("ii->i", (2048, 2048)),
    ("ijk->kji", (256, 256, 256)),
    ("ij->j", (4096, 4096)),
    ("ea,fb,abcd,gc,hd->efgh", (24, 24), (24, 24), (24,) * 4, (24, 24), (24, 24)),
    ("abi,bcj,cdk,del,efm,fgn,gho,hap,ijkl,mnop->", *TENSORS),
    ("ij,jk->ik small", (2, 2), (2, 2)),
    ("ij,ij->i small", (4, 4), (4, 4)),
    ("bij,bj->bi small", (4, 4, 4), (4, 4)),
)


def names(name):
    """The cases that a row of the table stands for: Monotile times small ones planned beforehand, too."""
    return (name, f"{name}, compiled") if name.endswith(" small") else (name,)
