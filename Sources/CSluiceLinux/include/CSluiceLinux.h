#ifndef CSLUICELINUX_H
#define CSLUICELINUX_H
#endif
